/** The fixes that a sentence names, as actions: what the command line would be given, as a button. */

import type { CellVerdict, Finding, Problem } from './types';

export type Remedy =
  | { is: 'include'; path: string }
  | { is: 'mount'; host: string; path: string }
  | { is: 'variable'; name: string }
  | { is: 'allow-secret'; what: string }
  | { is: 'allow-errors' }
  | { is: 'tolerance'; rtol: number }
  | { is: 'package'; name: string }
  | { is: 'install'; words: string; requirement: string }
  | { is: 'tag'; cells: readonly number[]; tag: string }
  | { is: 'show-cell'; cell: number }
  | { is: 'run-cell'; cell: number }
  | { is: 'rerun' }
  | { is: 'reconnect' }
  | { is: 'choose-kernel' }
  | { is: 'new-kernel' }
  | { is: 'save' };

const WORD = String.raw`('[^']+'|"[^"]+"|[^\s\`;,]+)`;
const INCLUDE = new RegExp(String.raw`--include ${WORD}`, 'g');
const MOUNT = new RegExp(String.raw`--mount ${WORD}`, 'g');
const VARIABLE = /--env ([A-Za-z_]\w*)/g;
const ALLOW = new RegExp(String.raw`--allow-secret ${WORD}`, 'g');
const PACKAGE = new RegExp(String.raw`--package ${WORD}`, 'g');
const INSTALL = new RegExp(String.raw`\bpip install ((?:--[\w-]+ )*)${WORD}`, 'g');
const TAGS = /[`'](parameters|skip|serve|nondeterministic|raises-exception)[`']/g;
const CELLS = /\b[Cc]ells? (\d+(?:(?:, | and )\d+)*)/;
const TRAILING = /[.;,:`)]+$/;
const LOOSER_RTOL = 1e-3;

/** Return the remedies of a finding, in the order in which its sentence names them. */
export function ofFinding(finding: Finding): Remedy[] {
  const cells = cellsIn(finding.what, finding.cell);
  const [first] = cells;
  const found = ofText(finding.fix, cells);
  return first === undefined ? found : [...found, { is: 'show-cell', cell: first }];
}

/** Return the remedies of a cell that does not give what it gave. */
export function ofVerdict(cell: CellVerdict): Remedy[] {
  return [...ofText(cell.fix, [cell.number]), { is: 'show-cell', cell: cell.number }];
}

/** Return the remedies of an error; `Cell 3` in it says where tags go. */
export function ofProblem(problem: Problem): Remedy[] {
  return ofFinding({ ...problem, severity: 'blocking', cell: null, line: null, path: null });
}

/** Return the remedies that a sentence names; tags only if it is about cells. */
export function ofText(text: string, cells: readonly number[]): Remedy[] {
  const found: Remedy[] = [];
  const each = (pattern: RegExp, add: (match: RegExpMatchArray) => void): void => {
    [...text.matchAll(pattern)].forEach(add);
  };
  each(INCLUDE, match => {
    const path = word(match[1]);
    if (path !== 'PATH' && path !== 'FILE') {
      found.push({ is: 'include', path });
    }
  });
  each(MOUNT, match => {
    const [host, path] = word(match[1]).split(':');
    if (host && path) {
      found.push({ is: 'mount', host: host === 'HOST' ? path : host, path });
    }
  });
  each(VARIABLE, match => {
    const name = match[1];
    if (name && name !== 'NAME') {
      found.push({ is: 'variable', name });
    }
  });
  each(ALLOW, match => found.push({ is: 'allow-secret', what: word(match[1]) }));
  each(PACKAGE, match => found.push({ is: 'package', name: word(match[1]) }));
  each(INSTALL, match => {
    const requirement = word(match[2]);
    found.push({ is: 'install', words: `${match[1] ?? ''}${quoted(requirement)}`, requirement });
  });
  if (/--allow-errors\b/.test(text)) {
    found.push({ is: 'allow-errors' });
  }
  if (cells.length > 0) {
    each(TAGS, match => found.push({ is: 'tag', cells, tag: match[1] ?? '' }));
  }
  const [cell, ...others] = cells;
  if (cell !== undefined && others.length === 0 && /\b[Rr]un (it|the cell again)\b/.test(text)) {
    found.push({ is: 'run-cell', cell });
  }
  if (/[Rr]estart the kernel[ ,]|\b[Rr]un (them|it), or/.test(text) && !found.some(one => one.is === 'run-cell')) {
    found.push({ is: 'rerun' });
  }
  if (/\bbuild without (a|the) kernel\b/.test(text)) {
    found.push({ is: 'new-kernel' });
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

/** Return the numbers of the cells that a sentence is about; `known` is one of them. */
function cellsIn(what: string, known: number | null): number[] {
  const named = [...(CELLS.exec(what)?.[1] ?? '').matchAll(/\d+/g)].map(match => Number(match[0]));
  return known === null || named.includes(known) ? named : [known];
}

function word(text: string | undefined): string {
  const inside = /^(['"])(.*)\1$/.exec(text ?? '');
  return inside ? (inside[2] ?? '') : (text ?? '').replace(TRAILING, '');
}

/** Return a requirement as a shell takes it: `<` and `>` would be files. */
function quoted(requirement: string): string {
  return /^[\w.=-]+$/.test(requirement) ? requirement : `'${requirement}'`;
}
