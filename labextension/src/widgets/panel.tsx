/** The side panel: the notebook in front and its one button, then the five views. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { containerIcon } from '../icons';
import type { View } from '../types';
import { widen } from '../width';
import { isLive } from '../work';
import { BuildView } from './build';
import { ClusterView } from './cluster';
import { Button, Notice, ProblemNotice, useModel, type ViewProps } from './common';
import { ImagesView } from './images';
import { KernelState } from './kernelstate';
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

  /** Whether it is made wide enough to be read when it is shown next. */
  widenOnce = false;

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    if (this.widenOnce) {
      this.widenOnce = false;
      requestAnimationFrame(() => widen(this)); // the columns are laid out first
    }
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
      <KernelState {...props} />
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
          disabled={!model.possible}
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
