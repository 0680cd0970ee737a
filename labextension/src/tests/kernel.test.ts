import type { ISessionContext } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents, Kernel } from '@jupyterlab/services';
import { describe, expect, it, vi } from 'vitest';
import { kernelOf, kernelOnServer, readiness, revive } from '../kernel';

type Status = Kernel.Status;
type Connection = Kernel.ConnectionStatus;
const contents = { driveName: (path: string) => path.split(':')[1] ? (path.split(':')[0] ?? '') : '' } as unknown as Contents.IManager;

function panel(sessionContext: object, path = 'a.ipynb'): NotebookPanel {
  return { isDisposed: false, context: { path }, sessionContext } as unknown as NotebookPanel;
}

/** A notebook without a kernel, as JupyterLab shows it. */
function without(kernelDisplayStatus: string, prevKernelName = ''): NotebookPanel {
  return panel({ session: null, kernelDisplayStatus, prevKernelName, hasNoKernel: true });
}

/** A notebook whose kernel is in this state; of the context, what JupyterLab's own does. */
function having(status: Status, connectionStatus: Connection, more: object = {}): NotebookPanel {
  return panel({
    session: { kernel: { id: 'k', name: 'python3', status, connectionStatus, hasPendingInput: false, ...more } },
    kernelDisplayStatus: connectionStatus === 'connected' ? status : connectionStatus,
    prevKernelName: 'python3',
    specsManager: { specs: { kernelspecs: { python3: { language: 'python' }, ir: { language: 'R' } } } }
  });
}

describe('the state of a notebook with a kernel', () => {
  const STATUSES: Status[] = [
    'unknown', 'starting', 'idle', 'busy', 'terminating', 'restarting', 'autorestarting', 'dead'
  ]; // prettier-ignore
  // In the order of STATUSES. A kernel that JupyterLab calls dead is disposed, and so disconnected.
  const TABLE: Record<Connection, string> = {
    connected: 'unheard starting ready busy dead starting starting dead',
    connecting: 'connecting connecting connecting connecting dead connecting connecting dead',
    disconnected: 'unreachable unreachable unreachable unreachable dead unreachable unreachable dead'
  };
  it.each(Object.keys(TABLE) as Connection[])('is known for every status while it is %s', connection => {
    const found = STATUSES.map(status => readiness(having(status, connection), contents).is);
    expect(found.join(' ')).toBe(TABLE[connection]);
  });

  it('is that a cell asks, where input is awaited', () => {
    expect(readiness(having('busy', 'connected', { hasPendingInput: true }), contents).is).toBe('asking');
  });

  it('says which kernel to capture whenever the server may have it', () => {
    const kernel = (status: Status, connection: Connection): string =>
      kernelOf(readiness(having(status, connection), contents));
    expect(kernel('idle', 'connected')).toBe('k');
    expect(kernel('unknown', 'connected')).toBe('k');
    expect(kernel('unknown', 'connecting')).toBe('k');
    expect(kernel('unknown', 'disconnected')).toBe('k');
    expect(kernel('dead', 'disconnected')).toBe('');
  });

  it('is remote behind a gateway, unless there is less than that', () => {
    expect(readiness(having('idle', 'connected'), contents, true)).toEqual({ is: 'remote' });
    expect(readiness(having('dead', 'disconnected'), contents, true)).toEqual({ is: 'dead' });
    expect(readiness(without('unknown'), contents, true).is).toBe('no-kernel');
    expect(kernelOf({ is: 'remote' })).toBe('');
  });

  it('is starting while the notebook gets another process, whatever its kernel was', () => {
    const one = having('unknown', 'connecting');
    Object.assign(one.sessionContext, { kernelDisplayStatus: 'restarting' });
    expect(readiness(one, contents)).toEqual({ is: 'starting' });
  });

  it('is another language, where the kernel speaks one', () => {
    expect(readiness(having('idle', 'connected', { name: 'ir' }), contents)).toEqual({
      is: 'not-python',
      language: 'R'
    });
  });
});

describe('the state of a notebook without a kernel', () => {
  it('is no kernel where there was none and none will come', () => {
    expect(readiness(without('unknown'), contents)).toEqual({ is: 'no-kernel', lost: false });
  });

  it('is a lost kernel where there was one', () => {
    expect(readiness(without('unknown', 'python3'), contents)).toEqual({ is: 'no-kernel', lost: true });
  });

  it('is starting only while one comes, not while the user is asked which', () => {
    const coming = without('initializing');
    Object.assign(coming.sessionContext, { hasNoKernel: false });
    expect(readiness(coming, contents)).toEqual({ is: 'starting' });
    expect(readiness(without('initializing'), contents)).toEqual({ is: 'not-chosen' });
  });

  it('is elsewhere where the server cannot read the file', () => {
    expect(readiness(panel({}, 'S3:a.ipynb'), contents)).toEqual({ is: 'elsewhere', drive: 'S3' });
    expect(readiness(null, contents)).toEqual({ is: 'no-notebook' });
  });
});

describe('a kernel that only the server knows of', () => {
  it('is found by the path of the notebook', async () => {
    const sessions: Record<string, unknown> = { 'a.ipynb': { kernel: { id: 'k' } }, 'b.ipynb': { kernel: null } };
    const context = (path: string): ISessionContext =>
      ({ path, sessionManager: { findByPath: (of: string) => Promise.resolve(sessions[of]) } }) as unknown as ISessionContext;
    expect(await kernelOnServer(context('a.ipynb'))).toBe('k');
    expect(await kernelOnServer(context('b.ipynb'))).toBe('');
    expect(await kernelOnServer(context('c.ipynb'))).toBe('');
  });
});

describe('a kernel again', () => {
  /** A context whose server, asked, has given up the session or not. */
  function context(kernel: object | null, keeps: boolean): [ISessionContext, ReturnType<typeof vi.fn>] {
    const changeKernel = vi.fn(() => Promise.resolve(null));
    const made = {
      session: kernel === null ? null : { kernel },
      prevKernelName: 'former',
      changeKernel,
      sessionManager: {
        refreshRunning: () => {
          made.session = keeps ? made.session : null;
          return Promise.resolve();
        }
      }
    };
    return [made as unknown as ISessionContext, changeKernel];
  }

  it('is one of the same kind, where there is a dead one or none', async () => {
    for (const [kernel, keeps] of [
      [{ name: 'former', isDisposed: true }, true],
      [{ name: 'former', isDisposed: false }, false],
      [null, true]
    ] as const) {
      const [one, changeKernel] = context(kernel, keeps);
      expect(await revive(one)).toBe(true);
      expect(changeKernel).toHaveBeenCalledWith({ name: 'former' });
    }
  });

  it('is not needed by one that lives: JupyterLab restarts that', async () => {
    const [one, changeKernel] = context({ name: 'former', isDisposed: false }, true);
    expect(await revive(one)).toBe(false);
    expect(changeKernel).not.toHaveBeenCalled();
  });
});
