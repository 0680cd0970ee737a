/** An item in the status bar while something runs, and a notification with actions when it ends. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { CommandIDs } from '../commands';
import { failed } from '../mend';
import { own, type ContainerizeModel } from '../model';
import { totals } from '../progress';
import { IContainerize } from '../tokens';
import { said } from '../said';
import type { BuildResult } from '../types';
import { useModel } from '../widgets/common';
import type { Work } from '../work';
import { DOMAIN } from './panel';

export const status: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containerize:status',
  description: 'Shows in the status bar and by notifications what runs and how it ended.',
  autoStart: true,
  requires: [IContainerize],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    containerize: IContainerize,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    const model = own(containerize);
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const show = (): void => void app.commands.execute(CommandIDs.show);
    statusBar?.registerStatusItem(status.id, {
      item: ReactWidget.create(<StatusItem model={model} trans={trans} show={show} />),
      align: 'left',
      rank: 50,
      isActive: () => model.works.running.length > 0,
      activeStateChanged: model.changed
    });
    model.works.ended.connect((_, work) => notify(work, model, trans, app));
  }
};

function StatusItem(props: {
  model: ContainerizeModel;
  trans: TranslationBundle;
  show: () => void;
}): React.ReactElement | null {
  const { model, trans, show } = props;
  useModel(model);
  const [work] = model.works.running;
  if (!work) {
    return null;
  }
  const sum = totals(work.progress.layers);
  const building = work.progress.steps.at(-1)?.step === 'build' && sum.total > 0;
  const percent = building ? ` ${Math.round((100 * (sum.written + sum.reused)) / sum.total)} %` : '';
  const title = said(work.progress.steps.at(-1)?.title ?? '') || said(work.title) || trans.__('Containerize');
  return (
    <button type="button" className="jp-Containerize-status" onClick={show}>
      {title}
      {percent}
    </button>
  );
}

/** Tell how a job ended; a plan shows itself, and who cancelled knows. */
function notify(
  work: Work,
  model: ContainerizeModel,
  trans: TranslationBundle,
  app: JupyterFrontEnd
): void {
  const { problem } = work.progress;
  if (work.command === 'plan' || problem?.code === 'interrupted') {
    return;
  }
  const name = work.notebook.split('/').pop() || said(work.title);
  const show = {
    label: trans.__('Show'),
    callback: (): void => {
      showWork(work, model);
      void app.commands.execute(CommandIDs.show);
    }
  };
  if (failed(work)) {
    const why = problem ? said(problem.what) : trans.__('The image does not do what the notebook did.');
    Notification.error(`${name}: ${why}`, { actions: [show], autoClose: 10_000 });
    return;
  }
  const result = work.progress.result as BuildResult | null;
  const run = result?.run?.id;
  const open = {
    label: trans.__('Open the executed notebook'),
    callback: (): void =>
      void app.commands.execute(CommandIDs.openExecuted, { run: run ?? '', notebook: work.notebook })
  };
  const done = result?.verdict?.state === 'verified' ? trans.__('built, run and verified') : trans.__('done');
  Notification.success(`${name}: ${done}`, {
    actions: work.command === 'build' && run ? [show, open] : [show],
    autoClose: 10_000
  });
}

/** Show in the panel what a notification is about. */
function showWork(work: Work, model: ContainerizeModel): void {
  if (work.notebook) {
    model.view = 'build';
  } else if (work.about === '' || work.about.startsWith('sha256:')) {
    model.show('images', work.about);
  } else {
    model.show('runs', work.about);
  }
}
