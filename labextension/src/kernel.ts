/** What can be done about the notebook in front, given its kernel and where its file lies. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';

export type Readiness =
  | { is: 'ready'; kernel: string }
  | { is: 'busy'; kernel: string }
  | { is: 'starting' }
  | { is: 'no-kernel' }
  | { is: 'dead' }
  | { is: 'not-python'; language: string }
  | { is: 'elsewhere'; drive: string }
  | { is: 'no-notebook' };

/** Drives whose files are the server's own. */
const OWN_DRIVES = ['', 'RTC'];

/** What JupyterLab shows while a notebook gets its kernel. */
const STARTING = ['initializing', 'starting', 'restarting', 'connecting'];

export function readiness(panel: NotebookPanel | null, contents: Contents.IManager): Readiness {
  if (panel === null || panel.isDisposed) {
    return { is: 'no-notebook' };
  }
  const drive = contents.driveName(panel.context.path);
  if (!OWN_DRIVES.includes(drive)) {
    return { is: 'elsewhere', drive };
  }
  const context = panel.sessionContext;
  const kernel = context.session?.kernel;
  if (!kernel) {
    // Not `isReady`: a session that was shut down is neither ready nor on its way.
    return STARTING.includes(context.kernelDisplayStatus) ? { is: 'starting' } : { is: 'no-kernel' };
  }
  const language = context.specsManager.specs?.kernelspecs[kernel.name]?.language ?? 'python';
  if (language.toLowerCase() !== 'python') {
    return { is: 'not-python', language };
  }
  switch (kernel.status) {
    case 'dead':
    case 'terminating':
      return { is: 'dead' };
    case 'busy':
      return { is: 'busy', kernel: kernel.id };
    case 'starting':
    case 'restarting':
    case 'autorestarting':
      return { is: 'starting' };
    default:
      return { is: 'ready', kernel: kernel.id };
  }
}

/** Return the id of the kernel to capture, "" when the notebook is to be run in a new one. */
export function kernelOf(state: Readiness): string {
  return state.is === 'ready' || state.is === 'busy' ? state.kernel : '';
}
