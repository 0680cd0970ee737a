/** All jobs that this page knows: it starts them, follows their events, and takes up those of others. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import { advance, NOTHING } from './progress';
import type { Client, EventStream, News } from './request';
import type { BuildResult, Job, Plan } from './types';
import { concluded, found, isLive, keyOf, planKey, problemIn, type Work } from './work';

export class Works {
  private readonly works = new Map<string, Work>();
  private readonly plans = new Map<string, Plan>();
  private readonly finished = new Signal<this, Work>(this);

  constructor(
    private readonly client: Client,
    private readonly stream: EventStream,
    private readonly trans: TranslationBundle,
    private readonly altered: () => void
  ) {
    stream.news.connect((_, news) => this.hear(news));
  }

  /** Emits work that has ended. */
  get ended(): ISignal<this, Work> {
    return this.finished;
  }

  get(key: string): Work | null {
    return this.works.get(key) ?? null;
  }

  get running(): Work[] {
    return [...this.works.values()].filter(isLive);
  }

  /** Return the work on an image or a run, the newest first. */
  about(thing: string): Work[] {
    return [...this.works.values()]
      .filter(work => !work.notebook && work.about === thing)
      .sort((a, b) => b.startedAt - a.startedAt);
  }

  /** Return what would go into an image of a notebook, as last found out. */
  planOf(notebook: string): Plan | null {
    return this.plans.get(notebook) ?? null;
  }

  /** Start a job; it is shown before the server has answered. */
  async start(work: Work, request: () => object | Promise<object>): Promise<void> {
    this.put(work);
    await drawn(); // a large notebook takes a while to be put into one text
    try {
      const job = await this.client.post<Job>(['jobs'], { command: work.command, ...(await request()) });
      this.put({ ...work, job, phase: 'running' });
      this.stream.follow(job.id);
    } catch (error) {
      this.end({ ...work, progress: { ...NOTHING, problem: problemIn(error, this.trans) } });
    }
  }

  /** Ask a job to stop; asked again, end it at once. Errors: those of the request. */
  async cancel(work: Work): Promise<void> {
    if (work.job && isLive(work)) {
      const force = work.phase === 'cancelling';
      this.put({ ...work, phase: 'cancelling' });
      await this.client.post(['jobs', work.job.id, 'cancel'], { force });
    }
  }

  /** Show ended work no more, here and after the next reload. */
  async forget(work: Work): Promise<void> {
    this.works.delete(keyOf(work));
    this.altered();
    if (work.job) {
      await this.client.delete(['jobs', work.job.id]);
    }
  }

  /** Take up jobs that were started before this page was there; of ended ones on images those that failed. */
  adopt(jobs: readonly Job[]): void {
    for (const job of [...jobs].reverse()) {
      const work = found(job);
      const known = this.get(keyOf(work));
      if (job.state === 'running') {
        if (known?.phase === 'asking') {
          continue; // it is most likely this one, and its answer is on the way
        }
        if (known?.job?.id !== job.id || !isLive(known)) {
          this.put(work);
          this.stream.follow(job.id);
        } // else it is followed already: the stream goes on where it was
      } else if (!isLive(known) && job.last && (job.notebook || work.progress.problem)) {
        this.keepPlan(work);
        this.works.set(keyOf(work), work);
      }
    }
  }

  /** Go on under a notebook's new name. */
  rename(from: string, to: string): void {
    for (const work of [this.get(from), this.get(planKey(from))]) {
      if (work !== null) {
        this.works.delete(keyOf(work));
        this.put({ ...work, notebook: to });
      }
    }
    const plan = this.plans.get(from);
    if (plan !== undefined) {
      this.plans.delete(from);
      this.plans.set(to, plan);
    }
  }

  private hear(news: News): void {
    const work = [...this.works.values()].find(one => one.job?.id === news.job);
    if (!isLive(work)) {
      return;
    }
    const progress = advance(work.progress, news.events ?? [], news.skipped);
    if (news.ended) {
      this.end(concluded(work, news.ended, progress));
    } else {
      this.put({ ...work, progress });
    }
  }

  private end(work: Work): void {
    const ended: Work = { ...work, phase: 'ended' };
    this.keepPlan(ended);
    this.put(ended);
    this.finished.emit(ended);
  }

  private keepPlan(work: Work): void {
    if (work.command === 'plan' && work.progress.result) {
      this.plans.set(work.notebook, work.progress.result as Plan);
    }
    const plan = this.plans.get(work.notebook);
    if (plan && work.command === 'build' && work.progress.result) {
      const { findings, parameters } = work.progress.result as BuildResult;
      this.plans.set(work.notebook, { ...plan, findings, parameters });
    }
  }

  private put(work: Work): void {
    this.works.set(keyOf(work), work);
    this.altered();
  }
}

/** Let the browser draw what has just changed. */
function drawn(): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve);
  });
}
