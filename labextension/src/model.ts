/** The panel's state: one for the page. Views read it and call it; nothing else talks to the server. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import { chosenBy, DEFAULT_CHOICES, optionsOf, reaches, type Choices } from './choices';
import { kernelOf, readiness, type Readiness } from './kernel';
import { advance, NOTHING } from './progress';
import { Client, EventStream, type News } from './request';
import type { Remedy } from './remedies';
import type { IContainerize } from './tokens';
import type { BuildResult, ClusterContext, Doctor, ImageRow, Job, Plan, Problem, RunRow, Status } from './types';
import { concluded, found, fresh, keyOf, problemIn, type Work } from './work';

export type View = 'notebook' | 'build' | 'images' | 'runs' | 'cluster';

export class ContainerizeModel implements IContainerize {
  readonly client: Client;
  readonly stream: EventStream;
  status: Status | null = null;
  statusProblem: Problem | null = null;
  connected = true;
  images: ImageRow[] | null = null;
  runs: RunRow[] | null = null;
  doctor: Doctor | null = null;
  contexts: ClusterContext[] | null = null;
  /** What went wrong last in lists and their actions. */
  problem: Problem | null = null;
  defaults: Partial<Choices> = {};
  /** The run or image that a view shows in full. */
  selectedRun: string | null = null;
  private shownView: View = 'notebook';
  private readonly works = new Map<string, Work>();
  private readonly plans = new Map<string, Plan>();
  private readonly chosen = new Map<string, Choices>();
  private readonly altered = new Signal<this, void>(this);
  private readonly finished = new Signal<this, Work>(this);
  private count = 0;

  constructor(
    private readonly services: ServiceManager.IManager,
    private readonly notebooks: INotebookTracker,
    private readonly trans: TranslationBundle
  ) {
    this.client = new Client(services.serverSettings, trans);
    this.stream = new EventStream(services.serverSettings);
    this.stream.news.connect((_, news) => this.hear(news));
    this.stream.connection.connect((_, connected) => {
      if (connected && !this.connected) {
        void this.start();
      }
      this.connected = connected;
      this.alter();
    });
    notebooks.currentChanged.connect((_, panel) => this.attend(panel));
    this.attend(notebooks.currentWidget);
  }

  // -- what can be seen -------------------------------------------------------------------

  get changed(): ISignal<this, void> {
    return this.altered;
  }

  /** Emits a job's work when it has ended. */
  get ended(): ISignal<this, Work> {
    return this.finished;
  }

  /** A number that grows with every change. */
  get version(): number {
    return this.count;
  }

  get view(): View {
    return this.shownView;
  }

  set view(view: View) {
    this.shownView = view;
    this.alter();
    void this.refresh(view);
  }

  get notebook(): NotebookPanel | null {
    return this.notebooks.currentWidget;
  }

  /** The path of the notebook in front as the server has it, "" without one. */
  get path(): string {
    const panel = this.notebook;
    return panel ? this.services.contents.localPath(panel.context.path) : '';
  }

  get readiness(): Readiness {
    return readiness(this.notebook, this.services.contents);
  }

  get work(): Work | null {
    return this.works.get(this.path) ?? null;
  }

  /** What goes on or went on last to find out what would go in. */
  get planning(): Work | null {
    return this.works.get(`plan:${this.path}`) ?? null;
  }

  get running(): Work[] {
    return [...this.works.values()].filter(work => work.phase !== 'ended');
  }

  get currentPlan(): Plan | null {
    return this.plans.get(this.path) ?? null;
  }

  get choices(): Choices {
    return this.chosen.get(this.path) ?? { ...DEFAULT_CHOICES, ...this.defaults };
  }

  choose(some: Partial<Choices>): void {
    this.chosen.set(this.path, { ...this.choices, ...some });
    this.alter();
  }

  can(command: string): boolean {
    return this.status?.commands.includes(command) ?? false;
  }

  // -- the server -------------------------------------------------------------------------

  /** Find the server's part, what it is doing, and listen. */
  async start(): Promise<void> {
    try {
      this.status = await this.client.get<Status>(['status']);
      this.statusProblem = this.status.problem;
      if (this.statusProblem === null) {
        const { jobs } = await this.client.get<{ jobs: Job[] }>(['jobs']);
        this.adopt(jobs);
        await this.refresh(this.shownView);
      }
    } catch (error) {
      this.statusProblem = problemIn(error, this.trans);
    }
    this.alter();
  }

  /** Listen for events; once is enough. */
  listen(): void {
    this.stream.open();
  }

  async refresh(view: View): Promise<void> {
    await this.attempt(async () => {
      if (view === 'images' || view === 'notebook') {
        this.images = (await this.client.get<{ images: ImageRow[] }>(['images'])).images;
      }
      if (view === 'runs') {
        this.runs = (await this.client.get<{ runs: RunRow[] }>(['runs'])).runs;
      }
      if ((view === 'build' || view === 'cluster') && this.doctor === null) {
        this.doctor = await this.client.get<Doctor>(['doctor']);
      }
      if (view === 'cluster' && this.contexts === null && reaches(this.doctor, 'kubernetes')) {
        this.contexts = (await this.client.get<{ contexts: ClusterContext[] }>(['contexts'])).contexts;
      }
    });
  }

  /** Choose a place in a cluster, and have its runs be found from now on. */
  async lookIn(context: string, namespace: string): Promise<void> {
    this.choose({ context, namespace });
    await this.attempt(async () => {
      const { runs } = await this.client.get<{ runs: RunRow[] }>(['runs'], { context, namespace });
      this.runs = runs;
    });
  }

  async examine(): Promise<void> {
    this.doctor = null;
    this.contexts = null;
    await this.refresh(this.shownView === 'cluster' ? 'cluster' : 'build');
  }

  // -- doing ------------------------------------------------------------------------------

  async build(): Promise<void> {
    this.view = 'build';
    const choices = this.choices;
    if (choices.kind === 'inference') {
      await this.begin('serve', {
        expression: choices.expression,
        run: choices.run,
        detach: true
      });
    } else {
      await this.begin('build', {
        run: choices.run,
        verify: choices.verify,
        rtol: choices.rtol
      });
    }
  }

  async plan(): Promise<void> {
    await this.begin('plan', {});
  }

  async cancel(): Promise<void> {
    const work = this.work;
    if (work?.job && work.phase !== 'ended') {
      const force = work.phase === 'cancelling';
      this.put({ ...work, phase: 'cancelling' });
      await this.attempt(() => this.client.post(['jobs', work.job?.id ?? '', 'cancel'], { force }));
    }
  }

  /** Start a command about images or runs as a job of its own. */
  async command(command: string, options: object, title: string): Promise<void> {
    await this.attempt(async () => {
      const job = await this.client.post<Job>(['jobs'], { command, options });
      this.put({ ...fresh(command, `job:${job.id}`), job, title, phase: 'running' });
      this.stream.follow(job.id);
    });
  }

  async delete(kind: 'images' | 'runs', id: string): Promise<void> {
    await this.attempt(() => this.client.delete([kind, id]));
    await this.refresh(kind);
  }

  /** Do what a remedy says as far as it is a choice; the rest is for the notebook's commands. */
  apply(remedy: Remedy): boolean {
    const some = chosenBy(remedy, this.choices);
    if (some !== null) {
      this.choose(some);
    }
    return some !== null;
  }

  dismiss(): void {
    this.problem = null;
    this.alter();
  }

  async attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await action();
      this.alter();
      return result;
    } catch (error) {
      this.problem = problemIn(error, this.trans);
      this.alter();
      return undefined;
    }
  }

  /** Tell the views that something changed. */
  alter(): void {
    this.count += 1;
    this.altered.emit();
  }

  dispose(): void {
    this.stream.dispose();
    Signal.clearData(this);
  }

  // -- inside -----------------------------------------------------------------------------

  private async begin(command: string, options: object): Promise<void> {
    const panel = this.notebook;
    if (panel === null) {
      this.alter();
      return;
    }
    const path = this.path;
    const work = fresh(command, path);
    this.put(work);
    await drawn(); // a large notebook takes a while to be put into one text
    try {
      const job = await this.client.post<Job>(['jobs'], {
        command,
        options: {
          ...options,
          ...optionsOf(this.choices, panel.sessionContext.session?.kernel?.name ?? '')
        },
        notebook: {
          path,
          kernel: kernelOf(this.readiness),
          content: panel.context.model.toJSON()
        }
      });
      this.put({ ...work, job, phase: 'running' });
      this.stream.follow(job.id);
    } catch (error) {
      this.end({ ...work, progress: { ...NOTHING, problem: problemIn(error, this.trans) } });
    }
  }

  /** Take up jobs that were started before this page was there. */
  private adopt(jobs: readonly Job[]): void {
    for (const job of [...jobs].reverse()) {
      const notebook = job.notebook || `job:${job.id}`;
      const key = keyOf({ command: job.command, notebook });
      const known = this.works.get(key);
      if (known && known.job?.id === job.id && known.phase !== 'ended') {
        continue; // followed already: the stream goes on where it was
      }
      if (job.state === 'running') {
        this.put(found(job, notebook));
        this.stream.follow(job.id);
      } else if (job.notebook && job.last && !(known && known.phase !== 'ended')) {
        const work = found(job, notebook);
        this.keepPlan(work);
        this.works.set(key, work);
      }
    }
  }

  private hear(news: News): void {
    if (news.changed) {
      const { changed } = news;
      if (changed.includes('images') && this.images !== null) {
        void this.refresh('images');
      }
      if (changed.includes('runs') && this.runs !== null) {
        void this.refresh('runs');
      }
    }
    const work = [...this.works.values()].find(one => one.job?.id === news.job);
    if (!work || work.phase === 'ended') {
      return;
    }
    const progress = advance(work.progress, news.events ?? [], news.skipped);
    const job = news.ended ?? null;
    if (job === null) {
      this.put({ ...work, progress });
      return;
    }
    this.end(concluded(work, job, progress));
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
    if (work.command === 'build' && work.progress.result) {
      const { findings, parameters } = work.progress.result as BuildResult;
      const plan = this.plans.get(work.notebook);
      if (plan) {
        this.plans.set(work.notebook, { ...plan, findings, parameters });
      }
    }
  }

  private put(work: Work): void {
    this.works.set(keyOf(work), work);
    this.alter();
  }

  /** Watch the notebook that comes to the front: its kernel, its name. */
  private attend(panel: NotebookPanel | null): void {
    if (panel !== null && !attended.has(panel)) {
      attended.add(panel);
      const alter = (): void => this.alter();
      panel.sessionContext.statusChanged.connect(alter);
      panel.sessionContext.kernelChanged.connect(alter);
      panel.sessionContext.connectionStatusChanged.connect(alter);
      panel.context.pathChanged.connect(alter);
      void panel.sessionContext.ready.then(alter);
    }
    this.alter();
  }
}

/** Let the browser draw what has just changed. */
function drawn(): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve);
  });
}

/** Return the model behind the token that other plugins see. */
export function own(containerize: IContainerize): ContainerizeModel {
  if (!(containerize instanceof ContainerizeModel)) {
    throw new Error('Another plugin provides IContainerize.');
  }
  return containerize;
}

const attended = new WeakSet<NotebookPanel>();
