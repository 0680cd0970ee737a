/** The fixes that a sentence names, as actions: what the command line would be given, as a button. */

import type { CellVerdict, Finding, Problem } from './types';

export type Remedy =
  | { is: 'include'; path: string }
  | { is: 'mount'; host: string; path: string }
  | { is: 'environment'; name: string }
  | { is: 'allow-secret'; what: string }
  | { is: 'allow-errors' }
  | { is: 'tolerance'; rtol: number }
  | { is: 'tag'; cell: number; tag: string }
  | { is: 'show-cell'; cell: number }
  | { is: 'rerun' }
  | { is: 'save' };

const WORD = String.raw`('[^']+'|"[^"]+"|[^\s\`;,]+)`;
const INCLUDE = new RegExp(String.raw`--include ${WORD}`, 'g');
const MOUNT = new RegExp(String.raw`--mount ${WORD}`, 'g');
const ENVIRONMENT = /--env ([A-Za-z_]\w*)(?![\w=])/g;
const ALLOW = new RegExp(String.raw`--allow-secret ${WORD}`, 'g');
const TAGS = /[`'](parameters|skip|serve|nondeterministic|raises-exception)[`']/g;
const TRAILING = /[.;,:`)]+$/;
const LOOSER_RTOL = 1e-3;

/** Return the remedies of a finding, in the order in which its sentence names them. */
export function ofFinding(finding: Finding): Remedy[] {
  const found = ofText(finding.fix, finding.cell);
  if (finding.cell !== null) {
    found.push({ is: 'show-cell', cell: finding.cell });
  }
  return found;
}

/** Return the remedies of a cell that does not give what it gave. */
export function ofVerdict(cell: CellVerdict): Remedy[] {
  return [...ofText(cell.fix, cell.number), { is: 'show-cell', cell: cell.number }];
}

/** Return the remedies of an error; `Cell 3` in it says where tags go. */
export function ofProblem(problem: Problem): Remedy[] {
  const place = /\b[Cc]ell (\d+)/.exec(problem.what);
  const cell = place ? Number(place[1]) : null;
  const found = ofText(problem.fix, cell);
  return cell === null ? found : [...found, { is: 'show-cell', cell }];
}

/** Return the remedies that a sentence names; tags only if it is about a cell. */
export function ofText(text: string, cell: number | null): Remedy[] {
  const found: Remedy[] = [];
  for (const match of text.matchAll(INCLUDE)) {
    const path = word(match[1]);
    if (path !== 'PATH' && path !== 'FILE') {
      found.push({ is: 'include', path });
    }
  }
  for (const match of text.matchAll(MOUNT)) {
    const [host, path] = word(match[1]).split(':');
    if (host && path) {
      found.push({ is: 'mount', host: host === 'HOST' ? path : host, path });
    }
  }
  for (const match of text.matchAll(ENVIRONMENT)) {
    const name = match[1];
    if (name && name !== 'NAME') {
      found.push({ is: 'environment', name });
    }
  }
  for (const match of text.matchAll(ALLOW)) {
    found.push({ is: 'allow-secret', what: word(match[1]) });
  }
  if (/--allow-errors\b/.test(text)) {
    found.push({ is: 'allow-errors' });
  }
  if (cell !== null) {
    for (const match of text.matchAll(TAGS)) {
      found.push({ is: 'tag', cell, tag: match[1] ?? '' });
    }
  }
  if (/[Rr]estart the kernel[ ,]|Run it, or/.test(text)) {
    found.push({ is: 'rerun' });
  }
  if (/--rtol\b/.test(text)) {
    found.push({ is: 'tolerance', rtol: LOOSER_RTOL });
  }
  if (/\b[Ss]ave the notebook\b/.test(text)) {
    found.push({ is: 'save' });
  }
  return found.filter(
    (one, index) => found.findIndex(other => JSON.stringify(other) === JSON.stringify(one)) === index
  );
}

function word(text: string | undefined): string {
  const quoted = /^(['"])(.*)\1$/.exec(text ?? '');
  return quoted ? (quoted[2] ?? '') : (text ?? '').replace(TRAILING, '');
}
