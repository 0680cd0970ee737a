import type { INotebookTracker } from '@jupyterlab/notebook';
import type { ServerConnection, ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it, vi } from 'vitest';

vi.mock('@jupyterlab/services', () => ({
  ServerConnection: { makeRequest: (url: string, init: RequestInit) => answer(url, init) }
}));
vi.mock('@jupyterlab/coreutils', () => ({
  URLExt: { join: (...parts: string[]) => parts.join('/').replace(/([^:])\/+/g, '$1/') }
}));

import { ContainerizeModel } from '../model';
import { problemOf } from '../request';
import type { Job } from '../types';

const trans = {
  __: (text: string, ...values: unknown[]) => text.replace(/%(\d)/g, (_, place) => String(values[Number(place) - 1]))
} as unknown as TranslationBundle;
let answer: (url: string, init: RequestInit) => Promise<Response>;
let gateway = false;
/** Renames of the notebook: its new path. */
let renames: Signal<{ path: string }, void>;
let asked: { url: string; body: unknown }[] = [];
let sockets: FakeSocket[] = [];

class FakeSocket {
  readyState = 1;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  constructor(readonly url: string) {
    sockets.push(this);
  }
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.onclose?.();
  }
  tell(news: object): void {
    this.onmessage?.({ data: JSON.stringify(news) });
  }
}

function json(data: unknown, status = 200): Promise<Response> {
  return Promise.resolve(new Response(JSON.stringify(data), { status }));
}

const JOB: Job = {
  id: '0123456789abc-01234567',
  command: 'build',
  title: 'Build',
  notebook: 'a.ipynb',
  image: '',
  run: '',
  created_at: 1,
  state: 'running'
};

/** A notebook that is in front, and a model over it. */
function opened(path = 'a.ipynb'): ContainerizeModel {
  const signal = { connect: (): boolean => true };
  renames = new Signal<{ path: string }, void>({ path });
  const notebook = {
    isDisposed: false,
    context: { path, pathChanged: renames, model: { toJSON: () => ({ cells: ['not saved'] }) } },
    sessionContext: {
      isReady: true,
      ready: Promise.resolve(),
      kernelDisplayStatus: 'idle',
      prevKernelName: 'python3',
      session: {
        kernel: { id: 'k1', name: 'python3', status: 'idle', connectionStatus: 'connected' },
        pendingInput: signal
      },
      sessionChanged: signal,
      kernelPreferenceChanged: signal,
      specsManager: { specs: { kernelspecs: { python3: { language: 'python' } } } },
      statusChanged: signal,
      kernelChanged: signal,
      connectionStatusChanged: signal
    }
  };
  const tracker: Partial<Record<keyof INotebookTracker, unknown>> = {
    currentWidget: notebook,
    currentChanged: new Signal<object, null>({})
  };
  const settings = {
    baseUrl: 'http://x/',
    wsUrl: 'ws://x/',
    token: 't',
    appendToken: true,
    WebSocket: FakeSocket
  } as unknown as ServerConnection.ISettings;
  const services = {
    serverSettings: settings,
    contents: { localPath: (text: string) => text, driveName: () => '' }
  } as unknown as ServiceManager.IManager;
  return new ContainerizeModel(services, tracker as unknown as INotebookTracker, trans);
}

beforeEach(() => {
  asked = [];
  sockets = [];
  gateway = false;
  answer = (url, init) => {
    asked.push({ url, body: JSON.parse((init.body as string | undefined) ?? 'null') });
    if (init.method === 'POST') {
      return json(JOB, 201);
    }
    if (url.endsWith('/jobs')) {
      return json({ jobs: [] });
    }
    if (url.endsWith('/status')) {
      return json({ version: '1', gateway, api: 1, commands: ['build'], problem: null });
    }
    return json({ images: [], runs: [], runtimes: [], suits: {} });
  };
});

describe('a build', () => {
  it('is shown before the server has answered, and sends what is not saved', async () => {
    const model = opened();
    const done = model.build();
    expect(model.work?.phase).toBe('asking');
    await done;
    expect(model.work?.phase).toBe('running');
    const post = asked.find(one => one.body !== null);
    expect(post?.body).toMatchObject({
      command: 'build',
      notebook: { path: 'a.ipynb', kernel: 'k1', content: { cells: ['not saved'] } }
    });
  });

  it('is run in a new kernel where that is asked for, or where the server cannot see the kernel', async () => {
    const model = opened();
    const kernel = (): unknown => asked.find(one => one.body !== null)?.body;
    await model.build(true);
    expect(kernel()).toMatchObject({ notebook: { kernel: '' } });
    asked = [];
    gateway = true;
    await model.start();
    await model.plan();
    expect(kernel()).toMatchObject({ command: 'plan', notebook: { kernel: '' } });
  });

  it('follows its events to the end', async () => {
    const model = opened();
    model.listen();
    const ended = vi.fn();
    model.works.ended.connect(ended);
    await model.build();
    expect(sockets[0]?.sent).toContain(JSON.stringify({ follow: JOB.id, after: 0 }));
    sockets[0]?.tell({
      job: JOB.id,
      after: 9,
      events: [{ is: 'step-started', step: 'plan', title: 'Planning' }],
      ended: null
    });
    expect(model.work?.progress.steps).toHaveLength(1);
    sockets[0]?.tell({
      job: JOB.id,
      after: 12,
      events: [{ is: 'failed', error: { code: 'x', what: 'It broke.', why: '', fix: '' } }],
      ended: { ...JOB, state: 'failed' }
    });
    expect(model.work?.phase).toBe('ended');
    expect(model.work?.progress.problem?.what).toBe('It broke.');
    expect(ended).toHaveBeenCalledOnce();
  });

  it('goes on being followed from where it was when the connection comes back', async () => {
    const model = opened();
    model.listen();
    await model.build();
    vi.useFakeTimers();
    sockets[0]?.tell({ job: JOB.id, after: 77, events: [], ended: null });
    sockets[0]?.close();
    expect(model.connected).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    sockets[1]?.onopen?.();
    expect(sockets[1]?.sent).toContain(JSON.stringify({ follow: JOB.id, after: 77 }));
    vi.useRealTimers();
  });

  it('that was started before the page was there is taken up', async () => {
    const before = answer;
    answer = (url, init) => (url.endsWith('/jobs') ? json({ jobs: [JOB] }) : before(url, init));
    const model = opened();
    await model.start();
    expect(model.work?.phase).toBe('running');
    expect(model.work?.job?.id).toBe(JOB.id);
  });

  it('goes on under the new name of a notebook that is renamed meanwhile', async () => {
    const model = opened();
    model.listen();
    model.choose({ verify: false });
    await model.build();
    Object.assign(model.notebook?.context ?? {}, { path: 'folder/b.ipynb' });
    renames.emit();
    expect(model.path).toBe('folder/b.ipynb');
    expect(model.work?.job?.id).toBe(JOB.id);
    expect(model.choices.verify).toBe(false);
    sockets[0]?.tell({ job: JOB.id, after: 9, events: [], ended: { ...JOB, state: 'lost' } });
    expect(model.work?.phase).toBe('ended');
    expect(model.works.get('a.ipynb')).toBeNull();
  });

  it('that is started in another window is taken up, and not when this one has just asked for it', async () => {
    const before = answer;
    answer = (url, init) =>
      url.endsWith('/jobs') && init.method !== 'POST' ? json({ jobs: [JOB] }) : before(url, init);
    const model = opened();
    model.listen();
    sockets[0]?.tell({ changed: ['jobs'] });
    await vi.waitFor(() => expect(model.work?.job?.id).toBe(JOB.id));
    const other = opened();
    const done = other.build();
    other.works.adopt([JOB]);
    expect(other.work?.job).toBeNull();
    await done;
    expect(other.work?.phase).toBe('running');
  });

  it('that the server refuses ends with its reason', async () => {
    answer = () =>
      json({ error: { code: 'outside-root', what: 'No.', why: 'w', fix: 'f', also: [] } }, 400);
    const model = opened();
    await model.build();
    expect(model.work?.phase).toBe('ended');
    expect(model.work?.progress.problem?.code).toBe('outside-root');
  });

  it('is cancelled, and at once when asked twice', async () => {
    const model = opened();
    await model.build();
    await model.cancel();
    expect(model.work?.phase).toBe('cancelling');
    await model.cancel();
    const bodies = asked.filter(one => one.url.endsWith('/cancel')).map(one => one.body);
    expect(bodies).toEqual([{ force: false }, { force: true }]);
  });
});

describe('remedies that are choices', () => {
  it('are sent with the next build, each once', async () => {
    const model = opened();
    model.apply({ is: 'include', path: 'data.csv' });
    model.apply({ is: 'include', path: 'data.csv' });
    model.apply({ is: 'mount', host: '/d', path: '/d' });
    model.apply({ is: 'allow-secret', what: 'secret-x@cell 1' });
    model.choose({ variables: { REGION: 'north' } });
    await model.build();
    expect(asked.find(one => one.body !== null)?.body).toMatchObject({
      options: {
        capture: {
          include: ['data.csv'],
          mounts: ['/d'],
          allow_secrets: ['secret-x@cell 1']
        },
        options: { mounts: [{ host: '/d', path: '/d', read_only: true }], environment: { REGION: 'north' } }
      }
    });
  });

  it('of a service add packages to it', async () => {
    const model = opened();
    model.choose({ kind: 'inference', expression: 'model' });
    model.apply({ is: 'package', name: 'straw' });
    await model.build();
    expect(asked.find(one => one.body !== null)?.body).toMatchObject({
      command: 'serve',
      options: { expression: 'model', packages: ['straw'] }
    });
  });
});

describe('work on an image', () => {
  const IMAGE = 'sha256:1';
  const PROBLEM = { code: 'registry-unreachable', what: 'No.', why: '', fix: '' };

  it('is shown at once, stays with its error by the image, and is dismissed here and there', async () => {
    const model = opened();
    model.listen();
    const pushed = model.command('push', IMAGE, { image: IMAGE, reference: 'r/x' }, 'Push x');
    expect(model.works.about(IMAGE).map(work => work.phase)).toEqual(['asking']);
    await pushed;
    expect(asked.at(-1)?.body).toMatchObject({ command: 'push', options: { reference: 'r/x' } });
    const ended = { ...JOB, command: 'push', notebook: '', image: IMAGE, state: 'failed' };
    sockets[0]?.tell({ job: JOB.id, after: 9, events: [{ is: 'failed', error: PROBLEM }], ended });
    const [work] = model.works.about(IMAGE);
    expect(work).toMatchObject({ title: 'Push x', phase: 'ended', progress: { problem: PROBLEM } });
    expect(model.works.about('sha256:2')).toEqual([]);
    expect(model.work).toBeNull();
    answer = (url, init) => {
      asked.push({ url: `${init.method ?? ''} ${url}`, body: null });
      return Promise.resolve(new Response(null, { status: 204 }));
    };
    if (work) {
      await model.works.forget(work);
    }
    expect(model.works.about(IMAGE)).toEqual([]);
    expect(asked.at(-1)?.url).toBe(`DELETE http://x/containerize/api/jobs/${JOB.id}`);
  });

  it('that failed before this page came is taken up, that which went well is not', () => {
    const model = opened();
    const job = { ...JOB, notebook: '', image: IMAGE, title: 'Push' };
    model.works.adopt([
      { ...job, command: 'push', state: 'failed', last: { is: 'failed', error: PROBLEM } },
      { ...job, command: 'export', state: 'done', last: { is: 'result', command: 'export', data: {} } }
    ]);
    expect(model.works.about(IMAGE).map(work => work.command)).toEqual(['push']);
  });
});

describe('a place in a cluster', () => {
  it('has its runs looked for, and goes with every build', async () => {
    const model = opened();
    await model.lookIn('far', 'team a');
    expect(asked.at(-1)?.url).toContain('/runs?context=far&namespace=team+a');
    model.choose({ runtime: 'kubernetes', registry: 'localhost:5000/me' });
    await model.build();
    expect(asked.find(one => one.body !== null)?.body).toMatchObject({
      options: {
        runtime: 'kubernetes',
        options: {
          cluster: { place: { context: 'far', namespace: 'team a' }, registry: 'localhost:5000/me' }
        }
      }
    });
  });
});

describe('answers that are no answers', () => {
  it('a cluster that does not answer is told, and another context may be tried', async () => {
    const model = opened();
    answer = () => json({ error: { code: 'cluster-unreachable', what: 'No.', why: '', fix: '' } }, 502);
    const looked = model.lookIn('far', '');
    expect(model.lists.looking).toBe(true);
    await looked;
    expect(model.lists.problem?.code).toBe('cluster-unreachable');
    expect([model.lists.looking, model.lists.reached]).toEqual([false, false]);
    const unlisted = [{ code: 'no-rights', what: 'Not that one.' }];
    answer = () => json({ runs: [], problems: unlisted });
    await model.lookIn('near', '');
    expect([model.lists.problem, model.lists.reached]).toEqual([null, true]);
    expect(model.lists.unlisted).toEqual(unlisted);
  });

  it('a server without the extension is told as such', async () => {
    answer = () => json({ message: 'Not Found' }, 404);
    const model = opened();
    await model.start();
    expect(model.statusProblem?.code).toBe('no-server-extension');
  });

  it('a server that is gone is told as such', async () => {
    answer = () => Promise.reject(new TypeError('Failed to fetch'));
    const model = opened();
    await model.start();
    expect(model.statusProblem?.code).toBe('server-unreachable');
  });

  it('others have a reason too', () => {
    expect(problemOf(null, 403, trans).code).toBe('not-allowed');
    expect(problemOf({ message: 'x' }, 500, trans).why).toBe('HTTP 500: x');
  });
});
