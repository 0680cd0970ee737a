/** What a job has told so far, as one value: made from its events, one after the other. */

import type { ContainerEvent, Finding, Problem } from './types';

export interface Step {
  step: string;
  title: string;
  state: 'running' | 'done' | 'bad';
  seconds: number;
  summary: string;
}

export interface LayerProgress {
  title: string;
  done: number;
  total: number;
  state: 'writing' | 'written' | 'reused';
}

export interface Progress {
  steps: readonly Step[];
  layers: readonly LayerProgress[];
  /** What the running step counts, if it is not layers. */
  meter: { done: number; total: number; item: string; unit: string } | null;
  findings: readonly Finding[];
  log: readonly string[];
  /** How many log lines are not among `log`. */
  skipped: number;
  problem: Problem | null;
  result: unknown;
}

const LOG_LINES_KEPT = 300;

export const NOTHING: Progress = {
  steps: [],
  layers: [],
  meter: null,
  findings: [],
  log: [],
  skipped: 0,
  problem: null,
  result: null
};

/** Return the progress after further events. */
export function advance(before: Progress, events: readonly ContainerEvent[], skipped = 0): Progress {
  let steps = [...before.steps];
  const layers = new Map(before.layers.map(layer => [layer.title, layer]));
  const findings = [...before.findings];
  let { meter, problem, result } = before;
  let log = [...before.log];
  for (const event of events) {
    switch (event.is) {
      case 'step-started':
        steps.push({ step: event.step, title: event.title, state: 'running', seconds: 0, summary: '' });
        break;
      case 'step-finished':
        meter = null;
        steps = steps.map(step =>
          step.step === event.step && step.state === 'running'
            ? {
                ...step,
                state: event.ok ? 'done' : 'bad',
                seconds: event.seconds,
                summary: event.summary
              }
            : step
        );
        break;
      case 'progress':
        if (event.unit === 'bytes' && event.step === 'build') {
          const known = layers.get(event.item);
          if (!known || known.state === 'writing') {
            layers.set(event.item, {
              title: event.item,
              done: event.done,
              total: event.total,
              state: 'writing'
            });
          }
        } else {
          const { done, total, item, unit } = event;
          meter = { done, total, item, unit };
        }
        break;
      case 'layer-done':
        layers.set(event.title, {
          title: event.title,
          done: event.size_bytes,
          total: event.size_bytes,
          state: event.reused ? 'reused' : 'written'
        });
        break;
      case 'finding':
        findings.push(event.finding);
        break;
      case 'log':
        log.push(event.text);
        break;
      case 'failed':
        problem = event.error;
        steps = steps.map(step => (step.state === 'running' ? { ...step, state: 'bad' } : step));
        break;
      case 'result':
        result = event.data;
        break;
    }
  }
  let dropped = before.skipped + skipped;
  if (log.length > LOG_LINES_KEPT) {
    dropped += log.length - LOG_LINES_KEPT;
    log = log.slice(-LOG_LINES_KEPT);
  }
  return {
    steps,
    layers: [...layers.values()],
    meter,
    findings,
    log,
    skipped: dropped,
    problem,
    result
  };
}

/** Bytes written and reused, and of how many. */
export function totals(layers: readonly LayerProgress[]): {
  written: number;
  reused: number;
  total: number;
} {
  let written = 0;
  let reused = 0;
  let total = 0;
  for (const layer of layers) {
    total += layer.total;
    if (layer.state === 'reused') {
      reused += layer.total;
    } else {
      written += layer.done;
    }
  }
  return { written, reused, total };
}
