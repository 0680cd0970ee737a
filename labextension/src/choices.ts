/** What the user has chosen for a notebook: by hand, or by a button on a finding. */

import type { Remedy } from './remedies';
import type { FormField } from './types';

/** What the user has chosen for one notebook. */
export interface Choices {
  kind: 'training' | 'inference';
  /** The object that an inference image serves: an expression of the notebook. */
  expression: string;
  run: boolean;
  verify: boolean;
  network: boolean;
  runtime: string;
  /** Where in which cluster; "" means what kubeconfig says. */
  context: string;
  namespace: string;
  /** Where images are pushed for its nodes to pull; "" for what was used last. */
  registry: string;
  include: readonly string[];
  mounts: readonly { host: string; path: string; read_only: boolean }[];
  /** Variables that runs get; their values stay in this page. */
  variables: Readonly<Record<string, string>>;
  /** Distributions that an inference image has beside those that serving was seen to need. */
  packages: readonly string[];
  allowSecrets: readonly string[];
  allowErrors: boolean;
  rtol: number;
  parameters: Readonly<Record<string, string>>;
  /** What else was answered, by the option's name. */
  answers: Answers;
}

export type Answer = string | boolean | readonly string[];
export type Answers = Readonly<Record<string, Answer>>;

export const DEFAULT_CHOICES: Choices = {
  kind: 'training',
  expression: '',
  run: true,
  verify: true,
  network: false,
  runtime: '',
  context: '',
  namespace: '',
  registry: '',
  include: [],
  mounts: [],
  variables: {},
  packages: [],
  allowSecrets: [],
  allowErrors: false,
  rtol: 1e-6,
  parameters: {},
  answers: {}
};

/** Return what a remedy changes in choices, null when it is no choice. */
export function chosenBy(remedy: Remedy, choices: Choices): Partial<Choices> | null {
  switch (remedy.is) {
    case 'include':
      return { include: added(choices.include, remedy.path) };
    case 'mount':
      return {
        mounts: [
          ...choices.mounts.filter(mount => mount.path !== remedy.path),
          { host: remedy.host, path: remedy.path, read_only: true }
        ]
      };
    case 'package':
      return { packages: added(choices.packages, remedy.name) };
    case 'allow-secret':
      return { allowSecrets: added(choices.allowSecrets, remedy.what) };
    case 'allow-errors':
      return { allowErrors: true };
    case 'tolerance':
      return { rtol: remedy.rtol };
    default:
      return null;
  }
}

/** Return choices as the options of a request about a notebook with a kernel of this name. */
export function optionsOf(choices: Choices, kernel: string): object {
  return {
    runtime: choices.runtime,
    capture: {
      include: choices.include,
      mounts: choices.mounts.map(mount => mount.path),
      allow_secrets: choices.allowSecrets,
      allow_errors: choices.allowErrors,
      kernel
    },
    options: {
      parameters: choices.parameters,
      environment: choices.variables,
      mounts: choices.mounts,
      network: choices.network,
      cluster: clusterOf(choices)
    }
  };
}

/** Return those answers that say something and that a command's form asks for. */
export function answersTo(fields: readonly FormField[], answers: Answers): Answers {
  const asked = new Set(fields.map(field => field.option));
  return Object.fromEntries(
    Object.entries(answers).filter(([option, answer]) => asked.has(option) && says(answer))
  );
}

/** Whether an answer differs from none. */
export function says(answer: Answer | undefined): boolean {
  return typeof answer === 'object' ? answer.some(text => text.trim() !== '') : !!answer;
}

/** Return where in which cluster, as an option of requests about runs. */
export function clusterOf(choices: Choices): object {
  const { context, namespace, registry } = choices;
  return { place: { context, namespace }, registry };
}

function added(list: readonly string[], item: string): readonly string[] {
  return list.includes(item) ? list : [...list, item];
}
