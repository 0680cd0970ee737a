/** The side panel: the notebook in front and its one button, then the five views. */

import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { containerIcon } from '../icons';
import type { View } from '../types';
import { isLive } from '../work';
import { BuildView } from './build';
import { ClusterView } from './cluster';
import { Button, Notice, ProblemNotice, useModel, type ViewProps } from './common';
import { ImagesView } from './images';
import { NotebookView } from './notebook';
import { RunsView } from './runs';

export const PANEL_ID = 'jupyter-containerize-panel';
const VIEWS: View[] = ['notebook', 'build', 'images', 'runs', 'cluster'];

export class ContainerizePanel extends ReactWidget {
  constructor(private readonly props: ViewProps) {
    super();
    this.id = PANEL_ID;
    this.addClass('jp-Containerize');
    this.title.icon = containerIcon;
    this.title.caption = props.trans.__('Containerize');
    this.node.setAttribute('aria-label', props.trans.__('Containerize'));
    this.node.setAttribute('role', 'region');
  }

  protected override render(): React.ReactElement {
    return <Panel {...this.props} />;
  }
}

function Panel(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  if (model.statusProblem) {
    return (
      <div className="jp-Containerize-view">
        <ProblemNotice problem={model.statusProblem} trans={trans}>
          <Button label={trans.__('Try again')} onClick={() => void model.start()} />
        </ProblemNotice>
      </div>
    );
  }
  return (
    <>
      <Head {...props} />
      <Tabs {...props} />
      <div
        className="jp-Containerize-tabpanel"
        role="tabpanel"
        id={`${PANEL_ID}-${model.view}`}
        aria-labelledby={`${PANEL_ID}-tab-${model.view}`}
      >
        {model.lists.problem ? (
          <ProblemNotice problem={model.lists.problem} trans={trans}>
            <Button label={trans.__('Dismiss')} onClick={() => model.lists.dismiss()} />
          </ProblemNotice>
        ) : null}
        <ViewOf {...props} />
      </div>
    </>
  );
}

function ViewOf(props: ViewProps): React.ReactElement {
  switch (props.model.view) {
    case 'notebook':
      return <NotebookView {...props} />;
    case 'build':
      return <BuildView {...props} />;
    case 'images':
      return <ImagesView {...props} />;
    case 'runs':
      return <RunsView {...props} />;
    case 'cluster':
      return <ClusterView {...props} />;
  }
}

function Head(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  const state = model.readiness;
  const { work } = model;
  const live = isLive(work);
  const possible = !['no-notebook', 'not-python', 'elsewhere', 'starting'].includes(state.is) &&
    (model.choices.kind === 'training' || model.choices.expression !== '');
  const name = model.path.split('/').pop() ?? '';
  return (
    <div className="jp-Containerize-head">
      {state.is === 'no-notebook' ? null : (
        <p className="jp-Containerize-cut" title={model.path}>
          <strong>{name}</strong>
        </p>
      )}
      {model.connected ? null : (
        <Notice
          tone="warning"
          label={trans.__('No connection.')}
          what={trans.__('The server does not answer; what was started goes on. Trying again …')}
          code="disconnected"
        />
      )}
      <Kernel {...props} />
      {live ? (
        <Button
          label={work.phase === 'cancelling' ? trans.__('Stopping …') : trans.__('Cancel')}
          name="cancel-head"
          disabled={work.job === null}
          onClick={() => void model.cancel()}
        />
      ) : (
        <Button
          label={primaryLabel(props)}
          name="build"
          primary
          disabled={!possible}
          onClick={() => void model.build()}
        />
      )}
    </div>
  );
}

function primaryLabel({ model, trans }: ViewProps): string {
  const { kind, run, verify } = model.choices;
  if (kind === 'inference') {
    return run ? trans.__('Build and serve') : trans.__('Build');
  }
  if (verify) {
    return trans.__('Build, run and verify');
  }
  return run ? trans.__('Build and run') : trans.__('Build');
}

/** What the kernel's state means for a build. */
function Kernel(props: ViewProps): React.ReactElement | null {
  const { model, trans } = props;
  const state = model.readiness;
  switch (state.is) {
    case 'ready':
      return null;
    case 'busy':
      return (
        <p className="jp-Containerize-hint">
          {trans.__('The kernel is busy: a build waits until its cell has ended.')}
        </p>
      );
    case 'starting':
      return <p className="jp-Containerize-hint">{trans.__('The kernel is starting …')}</p>;
    case 'no-kernel':
      return (
        <p className="jp-Containerize-hint">
          {trans.__('The notebook has no kernel: a build runs its cells in a new one.')}
        </p>
      );
    case 'dead':
      return (
        <Notice
          tone="warning"
          label={trans.__('The kernel is dead.')}
          what={trans.__('What it had loaded is gone.')}
          fix={trans.__('Restart it and run the cells; or build all the same: the cells are run in a new kernel.')}
          code="kernel-dead"
        >
          <Button
            label={trans.__('Restart the kernel and run all cells')}
            onClick={() => props.mend({ is: 'rerun' })}
          />
        </Notice>
      );
    case 'not-python':
      return (
        <Notice
          tone="info"
          label={trans.__('Not a Python kernel.')}
          what={trans.__('This notebook is written in %1; images are made from Python kernels.', state.language)}
          fix={trans.__('Open a Python notebook.')}
          code="not-python"
        />
      );
    case 'elsewhere':
      return (
        <Notice
          tone="info"
          label={trans.__('The notebook is elsewhere.')}
          what={trans.__('It lies on “%1”, which the server cannot read.', state.drive)}
          fix={trans.__('Copy it into the server’s folder and open it from there.')}
          code="elsewhere"
        />
      );
    case 'no-notebook':
      return (
        <p className="jp-Containerize-hint">{trans.__('Open a notebook to build an image of it.')}</p>
      );
  }
}

function Tabs(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  const labels: Record<View, string> = {
    notebook: trans.__('Notebook'),
    build: trans.__('Build'),
    images: trans.__('Images'),
    runs: trans.__('Runs'),
    cluster: trans.__('Cluster')
  };
  const move = (event: React.KeyboardEvent, view: View): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) {
      return;
    }
    event.preventDefault();
    const next = VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length] ?? view;
    model.view = next;
    document.getElementById(`${PANEL_ID}-tab-${next}`)?.focus();
  };
  return (
    <div role="tablist" className="jp-Containerize-tabs" aria-label={trans.__('Views')}>
      {VIEWS.map(view => (
        <button
          key={view}
          type="button"
          role="tab"
          id={`${PANEL_ID}-tab-${view}`}
          aria-selected={model.view === view}
          aria-controls={model.view === view ? `${PANEL_ID}-${view}` : undefined}
          tabIndex={model.view === view ? 0 : -1}
          onClick={() => {
            model.view = view;
          }}
          onKeyDown={event => move(event, view)}
        >
          {labels[view]}
        </button>
      ))}
    </div>
  );
}
