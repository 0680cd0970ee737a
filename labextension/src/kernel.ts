/** What can be done about the notebook in front, given its kernel and where its file lies. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents, Kernel } from '@jupyterlab/services';

export type Readiness =
  | { is: 'ready'; kernel: string }
  | { is: 'busy'; kernel: string }
  /** A cell waits for the user's input. */
  | { is: 'asking'; kernel: string }
  /**
   * Connected, and the page has not heard what it does: it may be in a cell, or hang, or be idle, for of a
   * connection that came back JupyterLab knows nothing until the next cell is run.
   */
  | { is: 'unheard'; kernel: string }
  /** The page has no connection and tries to get one; the server may have one. */
  | { is: 'connecting'; kernel: string }
  /** The page has given up. */
  | { is: 'unreachable'; kernel: string }
  | { is: 'starting' }
  /** JupyterLab asks the user for one, or has asked in vain: it says that one comes, and none does. */
  | { is: 'not-chosen' }
  /** `lost`: there was one. */
  | { is: 'no-kernel'; lost: boolean }
  | { is: 'dead' }
  | { is: 'remote' }
  | { is: 'not-python'; language: string }
  | { is: 'elsewhere'; drive: string }
  | { is: 'no-notebook' };

/** Drives whose files are the server's own. */
const OWN_DRIVES = ['', 'RTC'];

/** What JupyterLab shows while a notebook gets its kernel, or the kernel another process. */
const STARTING = ['initializing', 'starting', 'restarting', 'autorestarting'];

/** Return it for the notebook in front; `gateway`: the server passes kernels through to another. */
export function readiness(
  panel: NotebookPanel | null,
  contents: Contents.IManager,
  gateway = false
): Readiness {
  if (panel === null || panel.isDisposed) {
    return { is: 'no-notebook' };
  }
  const drive = contents.driveName(panel.context.path);
  if (!OWN_DRIVES.includes(drive)) {
    return { is: 'elsewhere', drive };
  }
  const context = panel.sessionContext;
  const kernel = context.session?.kernel;
  const dead = kernel?.status === 'dead' || kernel?.status === 'terminating';
  if (!kernel && context.kernelDisplayStatus === 'initializing' && context.hasNoKernel) {
    return { is: 'not-chosen' };
  }
  if (!dead && STARTING.includes(context.kernelDisplayStatus)) {
    return { is: 'starting' };
  }
  if (!kernel) {
    return { is: 'no-kernel', lost: context.prevKernelName !== '' };
  }
  const language = context.specsManager.specs?.kernelspecs[kernel.name]?.language ?? 'python';
  if (language.toLowerCase() !== 'python') {
    return { is: 'not-python', language };
  }
  if (dead) {
    return { is: 'dead' };
  }
  return gateway ? { is: 'remote' } : { is: alive(kernel), kernel: kernel.id };
}

/** Return what a kernel is about that the server has, as far as this page knows. */
function alive(
  kernel: Kernel.IKernelConnection
): 'ready' | 'busy' | 'asking' | 'unheard' | 'connecting' | 'unreachable' {
  // Without a connection the status is of before, or 'unknown': it says nothing.
  switch (kernel.connectionStatus) {
    case 'connecting':
      return 'connecting';
    case 'disconnected':
      return 'unreachable';
    case 'connected':
  }
  switch (kernel.status) {
    case 'busy':
      return kernel.hasPendingInput ? 'asking' : 'busy';
    case 'unknown':
      return 'unheard';
    default:
      return 'ready';
  }
}

/** Return the id of the kernel to capture, "" when the notebook is to be run in a new one. */
export function kernelOf(state: Readiness): string {
  return 'kernel' in state ? state.kernel : '';
}

/**
 * Return the id of the kernel that the server has for a notebook of which this page has none, "" without one.
 *
 * While a page comes, JupyterLab says the same as when it asks the user for a kernel.
 */
export async function kernelOnServer(context: ISessionContext): Promise<string> {
  const session = await context.sessionManager.findByPath(context.path);
  return session?.kernel?.id ?? '';
}

/** Connect to the kernel again; whether that goes well, its status tells. */
export function reconnect(context: ISessionContext): void {
  context.session?.kernel?.reconnect().catch(() => undefined);
}

/**
 * Give the notebook a kernel of the same kind again where it has none that lives.
 *
 * JupyterLab's own restart does nothing for a dead kernel that it still holds. Returns false
 * when there is nothing to be mended, and nothing was done.
 */
export async function revive(context: ISessionContext): Promise<boolean> {
  const name = context.session?.kernel?.name ?? context.prevKernelName;
  await context.sessionManager.refreshRunning(); // a session that the server has given up goes
  const kernel = context.session?.kernel;
  if (kernel && !kernel.isDisposed) {
    return false;
  }
  await context.changeKernel(name ? { name } : {});
  return true;
}
