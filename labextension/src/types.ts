/** What the server sends: the JSON of `/containerize/api`, as far as the panel shows it. */

export interface Problem {
  code: string;
  what: string;
  why: string;
  fix: string;
  also?: Problem[];
}

/** The panel's tabs. */
export type View = 'notebook' | 'build' | 'images' | 'runs' | 'cluster';

export type Severity = 'info' | 'warning' | 'blocking';

export interface Finding {
  code: string;
  severity: Severity;
  what: string;
  why: string;
  fix: string;
  cell: number | null;
  line: number | null;
  path: string | null;
}

export type ContainerEvent =
  | { is: 'step-started'; step: string; title: string }
  | { is: 'step-finished'; step: string; seconds: number; summary: string; ok: boolean }
  | { is: 'progress'; step: string; item: string; done: number; total: number; unit: string }
  | { is: 'layer-done'; title: string; size_bytes: number; reused: boolean; seconds: number }
  | { is: 'finding'; finding: Finding }
  | { is: 'log'; text: string; stream: string }
  | { is: 'failed'; error: Problem }
  | { is: 'result'; command: string; data: unknown };

export type JobState = 'running' | 'done' | 'failed' | 'cancelled' | 'lost' | 'gone';

export interface Job {
  id: string;
  command: string;
  title: string;
  notebook: string;
  /** The image or the run that it is about, "" for none. */
  image: string;
  run?: string;
  created_at: number;
  state: JobState;
  last?: ContainerEvent;
  error?: Problem;
}

export interface ImageRow {
  digest: string;
  id: string;
  names: string[];
  kind: string;
  notebook: string;
  built_at: number;
  size_bytes: number;
  shared_bytes?: number;
  layers: number;
  verdict: string;
}

export type RunState =
  | 'created'
  | 'starting'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'stopped'
  | 'lost';

/** Where in which cluster something runs; "" is what kubeconfig says. */
export interface Place {
  context: string;
  namespace: string;
}

export interface RunRow {
  id: string;
  image: string;
  runtime: string;
  state: RunState;
  isolation: string | null;
  started_at: number | null;
  ended_at: number | null;
  exit_code: number | null;
  reason: string;
  endpoint: string;
  spec: {
    image: string;
    parameters: Record<string, string>;
    environment: string[];
    cluster?: { place: Place };
  };
}

export interface CellVerdict {
  id: string;
  number: number;
  outcome: 'equal' | 'different' | 'unproven' | 'failed' | 'missing';
  expected: string;
  actual: string;
  detail: string;
  cause: string;
  fix: string;
}

export interface Verdict {
  state: 'verified' | 'failed' | 'unproven';
  image: string;
  run: string;
  cells: CellVerdict[];
  reason: string;
}

export interface LayerRow {
  title: string;
  kind: string;
  size_bytes: number;
  reused?: boolean;
}

export interface BuildResult {
  image: ImageRow;
  layers: LayerRow[];
  findings: Finding[];
  parameters: Parameter[];
  run?: RunRow;
  verdict?: Verdict;
}

export interface Parameter {
  name: string;
  default: string;
  type: string;
}

export interface PackageRow {
  name: string;
  version: string;
  size_bytes: number;
  origin: string;
  from: string;
  reasons: string[];
  layer: string;
}

export interface FileRow {
  path: string;
  what?: string;
  name?: string;
  package?: string;
  size_bytes: number;
  reasons: string[];
  layer: string;
}

/** What changed from one image, or what one was made from, to another. */
export interface Changes {
  packages: { name: string; old: string; new: string }[];
  files: { name: string; old: string; new: string }[];
  cells: { number: number; change: string; lines: string[] }[];
}

export interface Plan {
  name: string;
  python: string;
  packages: PackageRow[];
  files: FileRow[];
  libraries: FileRow[];
  executables: FileRow[];
  parameters: Parameter[];
  findings: Finding[];
  layers: LayerRow[];
  /** What changes against the last image of this name, null without one. */
  since: (Changes & { image: ImageRow }) | null;
}

/** One option of a command, as a form shows it: the same as on a command line. */
export interface FormField {
  option: string;
  label: string;
  kind: 'text' | 'flag' | 'many' | 'choice';
  /** What is to be written, such as SIZE. */
  value: string;
  help: string;
  part: 'image' | 'run' | 'cluster';
  choices: string[];
}

export type Forms = Readonly<Record<string, readonly FormField[]>>;

export interface Check {
  name: string;
  works: boolean;
  what: string;
  why: string;
  fix: string;
}

export interface Doctor {
  platform: Check[];
  builders: Check[];
  runtimes: Check[];
  store: Check[];
  suits: { builder: string; runtime: string };
}

/** A cluster that kubeconfig names; in a pod of one, without a name. */
export interface ClusterContext {
  name: string;
  namespace: string;
  current: boolean;
}

export interface Status {
  version: string;
  /** Whether the server passes kernels through to another machine. */
  gateway: boolean;
  api: number;
  commands: string[];
  problem: Problem | null;
}

export interface Difference extends Changes {
  layers: { title: string; size_bytes: number }[];
  new_bytes: number;
}

export interface LogPage {
  first: number;
  lines: string[];
  total: number;
  state: RunState;
}

export interface Output {
  path: string;
  size_bytes: number;
}

export interface Usage {
  at: number;
  cpu_s: number;
  memory_bytes: number;
  processes: number;
}

export interface PushResult {
  reference: string;
  sent_bytes: number;
}

export interface ExportResult {
  folder: string;
  files: string[];
}

export interface GcResult {
  freed: { size_bytes: number };
}
