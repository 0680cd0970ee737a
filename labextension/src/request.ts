/** Speaks to `/containerize/api`: requests that fail as `RequestError`, and the websocket. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import type { ContainerEvent, Job, Problem } from './types';

const API = 'containerize/api';
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

/** A request that failed, with what happened, why, and what to do. */
export class RequestError extends Error {
  constructor(
    readonly problem: Problem,
    readonly status: number
  ) {
    super(problem.what);
  }
}

/** What the websocket tells. */
export interface News {
  job?: string;
  after?: number;
  events?: ContainerEvent[];
  skipped?: number;
  ended?: Job | null;
  changed?: string[];
}

export class Client {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly trans: TranslationBundle
  ) {}

  /** Return the URL of a path of the API. */
  url(...parts: string[]): string {
    return URLExt.join(this.settings.baseUrl, API, ...parts.map(encodeURIComponent));
  }

  get<T>(parts: string[], query: Record<string, string | number> = {}): Promise<T> {
    const text = new URLSearchParams(
      Object.entries(query).map(([key, value]) => [key, String(value)])
    ).toString();
    return this.send<T>('GET', this.url(...parts) + (text ? `?${text}` : ''));
  }

  post<T>(parts: string[], body: unknown): Promise<T> {
    return this.send<T>('POST', this.url(...parts), JSON.stringify(body));
  }

  async delete(parts: string[]): Promise<void> {
    await this.send<unknown>('DELETE', this.url(...parts));
  }

  private async send<T>(method: string, url: string, body?: string): Promise<T> {
    let response: Response;
    try {
      const init: RequestInit = body === undefined ? { method } : { method, body };
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      throw new RequestError(
        {
          code: 'server-unreachable',
          what: this.trans.__('The Jupyter server does not answer.'),
          why: String(error),
          fix: this.trans.__('See that it still runs; what was started goes on without it.')
        },
        0
      );
    }
    if (response.status === 204) {
      return undefined as T;
    }
    const data: unknown = await response.json().catch(() => null);
    if (response.ok && data !== null) {
      return data as T;
    }
    throw new RequestError(problemOf(data, response.status, this.trans), response.status);
  }
}

/** Return the problem that a failed response tells, or the one that its status means. */
export function problemOf(data: unknown, status: number, trans: TranslationBundle): Problem {
  if (typeof data === 'object' && data !== null && 'error' in data) {
    return (data as { error: Problem }).error;
  }
  if (status === 404) {
    return {
      code: 'no-server-extension',
      what: trans.__('The server has no jupyter-containerize.'),
      why: trans.__('The panel is installed where JupyterLab is, but its server part was not loaded.'),
      fix: trans.__(
        'Run `pip install jupyter-containerize` in the environment of the Jupyter server and restart the server.'
      )
    };
  }
  if (status === 403) {
    return {
      code: 'not-allowed',
      what: trans.__('You may not do this on this server.'),
      why: trans.__('The server asked for a login, or its rules do not let you.'),
      fix: trans.__('Log in again, or ask whoever runs the server.')
    };
  }
  const message = (data as { message?: string } | null)?.message;
  return {
    code: 'server-error',
    what: trans.__('The server met a mistake.'),
    why: message ? trans.__('HTTP %1: %2', status, message) : trans.__('HTTP %1', status),
    fix: trans.__('Look into the server’s log, and please report it.')
  };
}

/** The websocket, opened again whenever it closes; jobs go on being followed. */
export class EventStream {
  private socket: WebSocket | null = null;
  private followed = new Map<string, number>();
  private readonly heard = new Signal<this, News>(this);
  private readonly state = new Signal<this, boolean>(this);
  private retryMs = FIRST_RETRY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  constructor(private readonly settings: ServerConnection.ISettings) {}

  get news(): ISignal<this, News> {
    return this.heard;
  }

  /** Emits whether the server is connected. */
  get connection(): ISignal<this, boolean> {
    return this.state;
  }

  open(): void {
    const url = new URL(URLExt.join(this.settings.wsUrl, API, 'events'));
    if (this.settings.appendToken && this.settings.token) {
      url.searchParams.set('token', this.settings.token);
    }
    const socket = new this.settings.WebSocket(url.toString());
    this.socket = socket;
    socket.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      this.followed.forEach((after, job) => this.say({ follow: job, after }));
      this.state.emit(true);
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      const news = JSON.parse(message.data) as News;
      if (news.job !== undefined && this.followed.has(news.job)) {
        if (news.ended) {
          this.followed.delete(news.job);
        } else {
          this.followed.set(news.job, news.after ?? 0);
        }
      }
      this.heard.emit(news);
    };
    socket.onclose = () => {
      if (this.stopped) {
        return;
      }
      this.state.emit(false);
      this.timer = setTimeout(() => this.open(), this.retryMs);
      this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
    };
  }

  follow(job: string, after = 0): void {
    this.followed.set(job, after);
    this.say({ follow: job, after });
  }

  dispose(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.close();
    Signal.clearData(this);
  }

  private say(message: object): void {
    if (this.socket?.readyState === 1) {
      this.socket.send(JSON.stringify(message));
    }
  }
}
