/** The side panel and its model. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { mend } from '../mend';
import { DEFAULT_CHOICES } from '../choices';
import { ContainerizeModel } from '../model';
import { learn } from '../said';
import { IContainerize } from '../tokens';
import { ContainerizePanel, PANEL_ID } from '../widgets/panel';

export const DOMAIN = 'jupyter_containerize';

export const panel: JupyterFrontEndPlugin<IContainerize> = {
  id: 'jupyter-containerize:panel',
  description: 'Shows what goes into an image, builds and runs it.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ISettingRegistry, ILayoutRestorer],
  provides: IContainerize,
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    translator: ITranslator | null,
    settings: ISettingRegistry | null,
    restorer: ILayoutRestorer | null
  ): IContainerize => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const model = new ContainerizeModel(app.serviceManager, notebooks, trans);
    const widget = new ContainerizePanel({
      model,
      trans,
      mend: remedy => {
        void model.lists.attempt(() => mend(remedy, model, app.commands, trans));
      },
      execute: (command, args) => {
        void model.lists.attempt(async () => {
          await app.commands.execute(command, args ?? {});
        });
      }
    });
    app.shell.add(widget, 'right', { rank: 600, type: 'Containerize' });
    restorer?.add(widget, PANEL_ID);
    if (settings) {
      void settings
        .load(panel.id)
        .then(loaded => {
          const read = (): void => {
            const chosen = loaded.composite;
            model.defaults = {
              run: chosen['run'] !== false,
              verify: chosen['verify'] !== false,
              network: chosen['network'] === true,
              runtime: typeof chosen['runtime'] === 'string' ? chosen['runtime'] : '',
              rtol: typeof chosen['rtol'] === 'number' ? chosen['rtol'] : DEFAULT_CHOICES.rtol
            };
            model.alter();
          };
          loaded.changed.connect(read);
          read();
        })
        .catch((error: unknown) => {
          console.warn('jupyter-containerize works without its settings:', error);
        });
    }
    const language = translator?.languageCode ?? 'en';
    // Nothing is asked of the server while the page is being put together.
    void app.restored.then(() => {
      widget.widenOnce = !widget.isVisible; // a layout that was restored with it stays as it was
      void model.start();
      model.listen();
      void model.lists.attempt(() => learn(trans, language));
    });
    return model;
  }
};
