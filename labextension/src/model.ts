/** The panel's state: one for the page. Views read it and call it; nothing else talks to the server. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ServiceManager } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import { answersTo, chosenBy, DEFAULT_CHOICES, optionsOf, type Answers, type Choices } from './choices';
import { kernelOf, kernelOnServer, readiness, type Readiness } from './kernel';
import { Lists } from './lists';
import { Client, EventStream } from './request';
import type { Remedy } from './remedies';
import type { IContainerize } from './tokens';
import type { Job, Plan, Problem, Status, View } from './types';
import { fresh, planKey, problemIn, type Work } from './work';
import { Works } from './works';

export class ContainerizeModel implements IContainerize {
  readonly client: Client;
  readonly stream: EventStream;
  readonly works: Works;
  readonly lists: Lists;
  status: Status | null = null;
  statusProblem: Problem | null = null;
  connected = true;
  defaults: Partial<Choices> = {};
  /** The run and the image that views show in full. */
  selectedRun: string | null = null;
  selectedImage: string | null = null;
  private shownView: View = 'notebook';
  private readonly chosen = new Map<string, Choices>();
  private readonly attended = new WeakSet<NotebookPanel>();
  private readonly altered = new Signal<this, void>(this);
  private count = 0;

  constructor(
    private readonly services: ServiceManager.IManager,
    private readonly notebooks: INotebookTracker,
    private readonly trans: TranslationBundle
  ) {
    const alter = (): void => this.alter();
    this.client = new Client(services.serverSettings, trans);
    this.stream = new EventStream(services.serverSettings);
    this.works = new Works(this.client, this.stream, trans, alter);
    this.lists = new Lists(this.client, trans, alter);
    this.stream.news.connect((_, { changed = [] }) => {
      void this.lists.hear(changed);
      if (changed.includes('jobs')) {
        void this.lists.attempt(() => this.findJobs());
      }
    });
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
    void this.lists.refresh(view);
  }

  /** Show a run, or an image, in full. */
  show(view: 'runs' | 'images', id: string): void {
    if (view === 'runs') {
      this.selectedRun = id;
    } else {
      this.selectedImage = id;
    }
    this.view = view;
  }

  get notebook(): NotebookPanel | null {
    return this.notebooks.currentWidget;
  }

  /** The path of the notebook in front as the server has it, "" without one. */
  get path(): string {
    return this.notebook ? this.pathOf(this.notebook) : '';
  }

  get readiness(): Readiness {
    return readiness(this.notebook, this.services.contents, this.status?.gateway);
  }

  /** Whether a build can begin: there is a notebook for it, and its kernel is not just coming. */
  get possible(): boolean {
    const { kind, expression } = this.choices;
    return (
      !['no-notebook', 'not-python', 'elsewhere', 'starting'].includes(this.readiness.is) &&
      (kind === 'training' || expression !== '')
    );
  }

  get work(): Work | null {
    return this.works.get(this.path);
  }

  /** What goes on or went on last to find out what would go in. */
  get planning(): Work | null {
    return this.works.get(planKey(this.path));
  }

  get currentPlan(): Plan | null {
    return this.works.planOf(this.path);
  }

  get choices(): Choices {
    return this.chosen.get(this.path) ?? { ...DEFAULT_CHOICES, ...this.defaults };
  }

  choose(some: Partial<Choices>): void {
    this.chosen.set(this.path, { ...this.choices, ...some });
    this.alter();
  }

  /** Choose what a remedy says, if it is a choice; the rest is for the notebook's commands. */
  apply(remedy: Remedy): boolean {
    const some = chosenBy(remedy, this.choices);
    if (some !== null) {
      this.choose(some);
    }
    return some !== null;
  }

  can(command: string): boolean {
    return this.status?.commands.includes(command) ?? false;
  }

  // -- the server -------------------------------------------------------------------------

  /** Find the server's part and what it is doing. */
  async start(): Promise<void> {
    try {
      this.status = await this.client.get<Status>(['status']);
      this.statusProblem = this.status.problem;
      if (this.statusProblem === null) {
        const { jobs } = await this.client.get<{ jobs: Job[] }>(['jobs']);
        this.works.adopt(jobs);
        await this.lists.refresh(this.shownView);
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

  // -- doing ------------------------------------------------------------------------------

  /** Build the notebook in front: of what its kernel has, or, `anew`, run in a new kernel. */
  async build(anew = false): Promise<void> {
    this.view = 'build';
    const { kind, expression, packages, run, verify, rtol } = this.choices;
    if (kind === 'inference') {
      await this.begin('serve', { expression, packages, run, detach: true }, anew);
    } else {
      await this.begin('build', { run, verify, rtol }, anew);
    }
  }

  async plan(anew = false): Promise<void> {
    await this.begin('plan', {}, anew);
  }

  /** Stop what goes on: for the notebook in front, if nothing else is named. */
  async cancel(work = this.work): Promise<void> {
    if (work !== null) {
      await this.lists.attempt(() => this.works.cancel(work));
    }
  }

  /** Start a command about an image or a run ("" for the whole store) as a job of its own. */
  async command(
    command: string,
    about: string,
    options: object,
    title: string,
    answers: Answers = {}
  ): Promise<void> {
    const form = this.answersTo(command, answers);
    await this.works.start(fresh(command, { about, title }), () => ({ options, form }));
  }

  /** Return those answers that a command's form asks for. */
  answersTo(command: string, answers: Answers): Answers {
    return answersTo(this.lists.forms?.[command] ?? [], answers);
  }

  /** Look into a place in a cluster, and use it from now on. */
  async lookIn(context: string, namespace: string): Promise<void> {
    this.choose({ context, namespace });
    await this.lists.lookIn(context, namespace);
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

  /** Take up what was started elsewhere: in another window, or by who shares the server. */
  private async findJobs(): Promise<void> {
    const { jobs } = await this.client.get<{ jobs: Job[] }>(['jobs']);
    this.works.adopt(jobs.filter(job => job.state === 'running'));
  }

  private pathOf(panel: NotebookPanel): string {
    return this.services.contents.localPath(panel.context.path);
  }

  /** What belongs to a notebook goes with it when it is renamed. */
  private rename(from: string, to: string): void {
    const chosen = this.chosen.get(from);
    if (chosen !== undefined) {
      this.chosen.delete(from);
      this.chosen.set(to, chosen);
    }
    this.works.rename(from, to);
    this.alter();
  }

  private async begin(command: string, options: object, anew: boolean): Promise<void> {
    const panel = this.notebook;
    if (panel === null) {
      this.alter();
      return;
    }
    const path = this.path;
    const kernel = panel.sessionContext.session?.kernel?.name ?? '';
    const state = this.readiness;
    await this.works.start(fresh(command, { notebook: path }), async () => ({
      options: { ...options, ...optionsOf(this.choices, kernel) },
      form: this.answersTo(command, this.choices.answers),
      notebook: {
        path,
        kernel: anew ? '' : await kernelFor(state, panel),
        content: panel.context.model.toJSON()
      }
    }));
  }

  /** Watch the notebook that comes to the front: its kernel, its name. */
  private attend(panel: NotebookPanel | null): void {
    if (panel !== null && !this.attended.has(panel)) {
      this.attended.add(panel);
      const alter = (): void => this.alter();
      panel.sessionContext.statusChanged.connect(alter);
      panel.sessionContext.kernelChanged.connect(alter);
      panel.sessionContext.kernelPreferenceChanged.connect(alter);
      panel.sessionContext.connectionStatusChanged.connect(alter);
      panel.sessionContext.sessionChanged.connect((_, { newValue }) => {
        newValue?.pendingInput.connect(alter);
        this.alter();
      });
      panel.sessionContext.session?.pendingInput.connect(alter);
      let path = this.pathOf(panel);
      panel.context.pathChanged.connect(() => {
        this.rename(path, this.pathOf(panel));
        path = this.pathOf(panel);
      });
      void panel.sessionContext.ready.then(alter);
    }
    this.alter();
  }
}

function kernelFor(state: Readiness, panel: NotebookPanel): Promise<string> {
  return state.is === 'not-chosen' ? kernelOnServer(panel.sessionContext) : Promise.resolve(kernelOf(state));
}

/** Return the model behind the token that other plugins see. */
export function own(containerize: IContainerize): ContainerizeModel {
  if (!(containerize instanceof ContainerizeModel)) {
    throw new Error('Another plugin provides IContainerize.');
  }
  return containerize;
}
