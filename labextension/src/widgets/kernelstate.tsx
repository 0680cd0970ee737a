/** What the state of the notebook's kernel means for a build: a word, or a notice with what to do. */

import * as React from 'react';
import { Notice, Remedies, type ViewProps } from './common';
import type { Remedy } from '../remedies';

export function KernelState({ model, trans, mend }: ViewProps): React.ReactElement | null {
  const state = model.readiness;
  const hint = (text: string): React.ReactElement => (
    <p className="jp-Containerize-hint" role="status" data-code={`kernel-${state.is}`}>
      {text}
    </p>
  );
  const buttons = (...remedies: Remedy[]): React.ReactElement => (
    <Remedies remedies={remedies} trans={trans} mend={mend} />
  );
  switch (state.is) {
    case 'ready':
      return null;
    case 'busy':
      return hint(trans.__('The kernel is busy: a build waits until its cell has ended.'));
    case 'asking':
      return hint(trans.__('A cell waits for your input: a build waits until the cell has ended.'));
    case 'unheard':
      return hint(
        trans.__('This page has not heard yet what the kernel does. If one of its cells runs, a build waits until it has ended.')
      );
    case 'connecting':
      return hint(trans.__('Connecting to the kernel … A build can begin: the server asks the kernel by itself.'));
    case 'starting':
      return hint(trans.__('The kernel is starting …'));
    case 'not-chosen':
      return (
        <Notice
          tone="info"
          label={trans.__('The notebook has no kernel yet.')}
          what={trans.__('The one that it was written with may not be here.')}
          fix={trans.__('Choose one; or build all the same: the cells are run in a new kernel.')}
          code="kernel-not-chosen"
        >
          {buttons({ is: 'choose-kernel' })}
        </Notice>
      );
    case 'no-kernel':
      return state.lost ? (
        <Notice
          tone="warning"
          label={trans.__('The notebook has no kernel any more.')}
          what={trans.__('It was shut down, or it died: what it had loaded is gone.')}
          fix={trans.__('Start one and run the cells; or build all the same: the cells are run in a new kernel.')}
          code="kernel-lost"
        >
          {buttons({ is: 'rerun' })}
        </Notice>
      ) : (
        hint(trans.__('The notebook has no kernel: a build runs its cells in a new one.'))
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
          {buttons({ is: 'rerun' })}
        </Notice>
      );
    case 'unreachable':
      return (
        <Notice
          tone="warning"
          label={trans.__('This page has lost the kernel.')}
          what={trans.__('Its connection ended and did not come back. If the kernel still runs, nothing that it has loaded is lost.')}
          fix={trans.__('Connect again; or build all the same: the server asks the kernel by itself, and says so if it is gone.')}
          code="kernel-unreachable"
        >
          {buttons({ is: 'reconnect' })}
        </Notice>
      );
    case 'remote':
      return (
        <Notice
          tone="info"
          label={trans.__('The kernel runs on another machine.')}
          what={trans.__('The server reaches it through a gateway, and cannot see what it has loaded. A build here runs the cells in a new kernel on this server.')}
          fix={trans.__('To build from the kernel itself, run %1 in the notebook: jupyter-containerize must be installed where the kernel runs.', '%containerize')}
          code="kernel-remote"
        />
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
      return hint(trans.__('Open a notebook to build an image of it.'));
  }
}
