/** What the server lists, as last asked for: images, runs, what works here, clusters. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Client } from './request';
import type {
  ClusterContext,
  Doctor,
  Finding,
  Forms,
  ImageRow,
  Problem,
  RunRow,
  View
} from './types';
import { problemIn } from './work';

export class Lists {
  images: ImageRow[] | null = null;
  runs: RunRow[] | null = null;
  /** What kept runs from being listed: a cluster that does not answer, a record that cannot be read. */
  unlisted: Finding[] = [];
  /** A cluster that was looked into has answered, though the current context's may not. */
  reached = false;
  /** A place in a cluster is being looked into, which takes a while if nobody answers. */
  looking = false;
  doctor: Doctor | null = null;
  contexts: ClusterContext[] | null = null;
  /** What can be asked for by a form, by command. */
  forms: Forms | null = null;
  private finding: Promise<void> | null = null;
  /** What went wrong last. */
  problem: Problem | null = null;

  constructor(
    private readonly client: Client,
    private readonly trans: TranslationBundle,
    private readonly altered: () => void
  ) {}

  /** Bring up to date what a view shows. */
  async refresh(view: View): Promise<void> {
    await this.attempt(async () => {
      if (view === 'images') {
        this.images = (await this.client.get<{ images: ImageRow[] }>(['images'])).images;
      }
      if (view === 'runs') {
        await this.findRunsAgain();
      }
      if ((view === 'build' || view === 'cluster') && this.doctor === null) {
        this.doctor = await this.client.get<Doctor>(['doctor']);
      }
      if ((view === 'build' || view === 'images') && this.forms === null) {
        this.forms = await this.client.get<Forms>(['forms']);
      }
      if (view === 'cluster' && this.contexts === null) {
        this.contexts = await this.client
          .get<{ contexts: ClusterContext[] }>(['contexts'])
          .then(found => found.contexts)
          .catch(() => []); // there is no kubeconfig, which the doctor has told
      }
    });
  }

  /** Bring up to date what has changed, as far as it was ever asked for. */
  async hear(changed: readonly string[]): Promise<void> {
    if (changed.includes('images') && this.images !== null) {
      await this.refresh('images');
    }
    if (changed.includes('runs') && this.runs !== null) {
      await this.refresh('runs');
    }
  }

  /** Have the runs of a place in a cluster be found from now on. */
  async lookIn(context: string, namespace: string): Promise<void> {
    this.looking = true;
    this.problem = null;
    this.altered();
    await this.attempt(async () => {
      try {
        await this.findRuns({ context, namespace });
        this.reached = true;
      } finally {
        this.looking = false;
      }
    });
  }

  /** See again what works here. */
  async examine(view: View): Promise<void> {
    this.doctor = null;
    this.contexts = null;
    await this.refresh(view === 'cluster' ? 'cluster' : 'build');
  }

  async delete(kind: 'images' | 'runs', id: string): Promise<void> {
    await this.attempt(() => this.client.delete([kind, id]));
    await this.refresh(kind);
  }

  /** Do something; what goes wrong becomes the problem that is shown. */
  async attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await action();
      if (this.problem?.code === 'server-unreachable') {
        this.problem = null; // it answers again
      }
      this.altered();
      return result;
    } catch (error) {
      this.problem = problemIn(error, this.trans);
      this.altered();
      return undefined;
    }
  }

  dismiss(): void {
    this.problem = null;
    this.altered();
  }

  private async findRuns(place: Record<string, string>): Promise<void> {
    const found = await this.client.get<{ runs: RunRow[]; problems?: Finding[] }>(['runs'], place);
    this.runs = found.runs;
    this.unlisted = found.problems ?? [];
  }

  /** Find runs once more; while that takes long, who asks waits for the same answer. */
  private findRunsAgain(): Promise<void> {
    this.finding ??= this.findRuns({}).finally(() => (this.finding = null));
    return this.finding;
  }
}
