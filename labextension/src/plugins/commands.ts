/** Commands, for the palette, menus, shortcuts and toolbars (the schema says where). */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { MenuSvg } from '@jupyterlab/ui-components';
import { setTag, tagsOf } from '../cells';
import { CommandIDs, TAGS } from '../commands';
import { containerIcon } from '../icons';
import { own } from '../model';
import { IContainerize } from '../tokens';
import { isLive } from '../work';
import { PANEL_ID } from '../widgets/panel';
import { DOMAIN } from './panel';

export const commands: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containerize:commands',
  description: 'Commands to build, plan and cancel, and to tag cells.',
  autoStart: true,
  requires: [IContainerize],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containerize: IContainerize,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const model = own(containerize);
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const hasNotebook = (): boolean => model.notebook !== null;
    const atWork = (): boolean => isLive(model.work);
    const show = (): void => app.shell.activateById(PANEL_ID);

    app.commands.addCommand(CommandIDs.show, {
      label: trans.__('Show the Containerize Panel'),
      icon: containerIcon,
      execute: show
    });
    app.commands.addCommand(CommandIDs.build, {
      label: args =>
        args['toolbar'] ? trans.__('Containerize') : trans.__('Build a Container Image and Run It'),
      caption: trans.__('Build a container image of this notebook, run it and verify it'),
      icon: containerIcon,
      isEnabled: () => hasNotebook() && !atWork(),
      execute: async () => {
        show(); // there it says why, where none is possible
        if (model.possible) {
          await model.build();
        }
      }
    });
    app.commands.addCommand(CommandIDs.plan, {
      label: trans.__('Show What Goes into the Image'),
      isEnabled: hasNotebook,
      execute: async () => {
        show();
        model.view = 'notebook';
        await model.plan();
      }
    });
    app.commands.addCommand(CommandIDs.cancel, {
      label: trans.__('Cancel the Container Build'),
      isEnabled: atWork,
      execute: () => model.cancel()
    });
    app.commands.addCommand(CommandIDs.openExecuted, {
      label: trans.__('Open the Executed Notebook'),
      isVisible: args => typeof args['run'] === 'string',
      execute: async args => {
        const { path } = await model.client.post<{ path: string }>(
          ['runs', text(args['run']), 'open'],
          { notebook: text(args['notebook']) }
        );
        await app.commands.execute('docmanager:open', { path });
      }
    });
    app.commands.addCommand(CommandIDs.tag, {
      label: args => trans.__('Tag: %1', text(args['tag'])),
      isToggleable: true,
      isEnabled: () => model.notebook?.content.activeCell?.model.type === 'code',
      isToggled: args => {
        const cell = model.notebook?.content.activeCell;
        return cell ? tagsOf(cell).includes(text(args['tag'])) : false;
      },
      execute: args => {
        const cell = model.notebook?.content.activeCell;
        const tag = text(args['tag']);
        if (cell && (TAGS as readonly string[]).includes(tag)) {
          setTag(cell, tag);
          app.commands.notifyCommandChanged(CommandIDs.tag);
        }
      }
    });
    const menu = new MenuSvg({ commands: app.commands });
    menu.title.label = trans.__('Container tags');
    TAGS.forEach(tag => menu.addItem({ command: CommandIDs.tag, args: { tag } }));
    app.commands.addCommand(CommandIDs.tagMenu, {
      label: trans.__('Container Tags'),
      caption: trans.__('Tag this cell: parameters, serve, skip'),
      icon: containerIcon,
      isVisible: () => model.notebook?.content.activeCell?.model.type === 'code',
      execute: () => {
        const cell = model.notebook?.content.activeCell;
        const button = cell?.node.querySelector(`[data-command="${CommandIDs.tagMenu}"]`);
        const box = (button ?? cell?.node ?? document.body).getBoundingClientRect();
        menu.open(box.left, box.bottom);
      }
    });
    model.changed.connect(() => app.commands.notifyCommandChanged());

    const category = trans.__('Containerize');
    for (const command of [CommandIDs.show, CommandIDs.build, CommandIDs.plan, CommandIDs.cancel]) {
      palette?.addItem({ command, category });
    }
    TAGS.forEach(tag => palette?.addItem({ command: CommandIDs.tag, args: { tag }, category }));
  }
};

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
