/** Jobs as this page knows them: asked for here, or found when the page came. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { advance, NOTHING, type Progress } from './progress';
import { RequestError } from './request';
import type { Job, Problem } from './types';

/** One job, as far as this page has heard. */
export interface Work {
  command: string;
  /** The notebook's path; "" for work on an image or a run. */
  notebook: string;
  /** The image's digest or the run's id; "" for work on a notebook or on the whole store. */
  about: string;
  title: string;
  job: Job | null;
  startedAt: number;
  phase: 'asking' | 'running' | 'cancelling' | 'ended';
  progress: Progress;
}

/** Return work that has just been asked for. */
export function fresh(command: string, of: Partial<Work>): Work {
  return {
    command,
    notebook: '',
    about: '',
    title: '',
    job: null,
    startedAt: Date.now() / 1000,
    phase: 'asking',
    progress: NOTHING,
    ...of
  };
}

/** Return the work of a job that was started before this page was there. */
export function found(job: Job): Work {
  const ended = job.state !== 'running';
  return fresh(job.command, {
    notebook: job.notebook,
    about: job.notebook ? '' : job.image || (job.run ?? ''),
    title: job.title,
    job,
    startedAt: job.created_at,
    phase: ended ? 'ended' : 'running',
    progress: ended && job.last ? advance(NOTHING, [job.last]) : NOTHING
  });
}

/** Return work whose job has ended, with what it came to; a job that said nothing was lost. */
export function concluded(work: Work, job: Job, progress: Progress): Work {
  if (progress.result) {
    return { ...work, job, progress };
  }
  return { ...work, job, progress: { ...progress, problem: progress.problem ?? job.error ?? lastProblem(job) } };
}

/** Return under which name work is known: of each notebook one plan and one other; else one of a kind. */
export function keyOf(work: { command: string; notebook: string; about: string }): string {
  if (!work.notebook) {
    return `${work.command}:${work.about}`;
  }
  return work.command === 'plan' ? planKey(work.notebook) : work.notebook;
}

export function planKey(notebook: string): string {
  return `plan:${notebook}`;
}

type Live = Work & { phase: Exclude<Work['phase'], 'ended'> };

export function isLive(work: Work | null | undefined): work is Live {
  return !!work && work.phase !== 'ended';
}

function lastProblem(job: Job): Problem | null {
  return job.last?.is === 'failed' ? job.last.error : null;
}

/** Return what an exception means to a user. */
export function problemIn(error: unknown, trans: TranslationBundle): Problem {
  if (error instanceof RequestError) {
    return error.problem;
  }
  return {
    code: 'panel-error',
    what: trans.__('The panel met a mistake of its own.'),
    why: String(error),
    fix: trans.__('Reload the page; if it stays, please report it.')
  };
}
