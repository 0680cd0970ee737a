import { describe, expect, it } from 'vitest';
import { differences } from '../differences';
import { age, bytes, duration } from '../format';
import { advance, NOTHING, totals } from '../progress';
import { ofProblem, ofText, ofVerdict } from '../remedies';
import type { CellVerdict, ContainerEvent } from '../types';

describe('numbers as people read them', () => {
  it('bytes have three digits and the unit that suits', () => {
    expect([0, 999, 1000, 12_345, 999_499, 999_500, 1_775_200_000].map(bytes)).toEqual([
      '0 B',
      '999 B',
      '1.00 kB',
      '12.3 kB',
      '999 kB',
      '1.00 MB',
      '1.78 GB'
    ]);
  });

  it('durations grow coarser', () => {
    expect([0.04, 9.94, 9.96, 59.6, 185, 7440].map(duration)).toEqual([
      '0.0 s',
      '9.9 s',
      '10 s',
      '1 min 0 s',
      '3 min 5 s',
      '2 h 4 min'
    ]);
  });

  it('ages are in words', () => {
    expect(age(0, 7200, 'en')).toBe('2h ago');
    expect(age(100, 50, 'en')).toBe('now');
  });
});

describe('progress', () => {
  const events: ContainerEvent[] = [
    { is: 'step-started', step: 'build', title: 'Building' },
    { is: 'progress', step: 'build', item: 'tensorflow', done: 10, total: 100, unit: 'bytes' },
    { is: 'layer-done', title: 'base', size_bytes: 50, reused: true, seconds: 0 },
    { is: 'progress', step: 'run', item: 'unpack', done: 1, total: 9, unit: 'bytes' }
  ];

  it('adds up layers, and only layers', () => {
    const state = advance(NOTHING, events);
    expect(totals(state.layers)).toEqual({ written: 10, reused: 50, total: 150 });
    expect(state.meter?.item).toBe('unpack');
  });

  it('a layer that is done stays done', () => {
    const late = advance(advance(NOTHING, events), [
      { is: 'progress', step: 'build', item: 'base', done: 1, total: 50, unit: 'bytes' }
    ]);
    expect(late.layers.find(layer => layer.title === 'base')?.state).toBe('reused');
  });

  it('a step that ends badly is bad, and its meter goes', () => {
    const state = advance(advance(NOTHING, events), [
      { is: 'step-finished', step: 'build', seconds: 2, summary: 's', ok: false }
    ]);
    expect(state.steps[0]?.state).toBe('bad');
    expect(state.meter).toBeNull();
  });

  it('a step in which the job failed does not go on', () => {
    const error = { code: 'x', what: '', why: '', fix: '' };
    expect(advance(NOTHING, [...events, { is: 'failed', error }]).steps.map(step => step.state)).toEqual(['bad']);
  });

  it('keeps the end of a long log and counts the rest', () => {
    const lines: ContainerEvent[] = Array.from({ length: 1000 }, (_, index) => ({
      is: 'log',
      text: `${index}\n`,
      stream: 'stdout'
    }));
    const state = advance(NOTHING, lines, 7);
    expect(state.log).toHaveLength(300);
    expect(state.log.at(-1)).toBe('999\n');
    expect(state.skipped).toBe(707);
  });
});

describe('remedies', () => {
  it('leaves placeholders alone', () => {
    expect(ofText('Add its files with `--include PATH`; set --env NAME=VALUE.', [])).toEqual([]);
  });

  it('offers the two ways on without a kernel that is gone', () => {
    const fix = 'Restart the kernel and run the cells; or build without the kernel: the notebook is then run in a new one.';
    expect(ofText(fix, [])).toEqual([{ is: 'rerun' }, { is: 'new-kernel' }]);
  });

  it('takes words in backticks and in either quote', () => {
    expect(ofText("Add it with `--include 'my file.csv'`, or `--env HOME_DIR=VALUE`.", [])).toEqual([
      { is: 'include', path: 'my file.csv' },
      { is: 'variable', name: 'HOME_DIR' }
    ]);
  });

  it('tags the cell that an error names', () => {
    const problem = {
      code: 'cell-failed',
      what: 'Cell 4 failed in line 2: ValueError',
      why: '',
      fix: 'Mend the cell; or tag it `skip` to leave it out; or build anyway with --allow-errors.'
    };
    expect(ofProblem(problem)).toEqual([
      { is: 'allow-errors' },
      { is: 'tag', cells: [4], tag: 'skip' },
      { is: 'show-cell', cell: 4 }
    ]);
  });

  it('offers to run again, and more tolerance, for a cell that differs', () => {
    const cell: CellVerdict = {
      id: 'a',
      number: 2,
      outcome: 'different',
      expected: '',
      actual: '',
      detail: '',
      cause: '',
      fix: 'Restart the kernel, run all cells and build again, raise `--rtol`, or tag the cell `nondeterministic`.'
    };
    expect(ofVerdict(cell).map(remedy => remedy.is)).toEqual(['tag', 'rerun', 'tolerance', 'show-cell']);
  });
});

describe('two texts side by side', () => {
  it('puts equal lines opposite each other', () => {
    expect(differences('a\nb\nc', 'a\nB\nc')).toEqual([
      { left: 'a', right: 'a', same: true },
      { left: 'b', right: 'B', same: false },
      { left: 'c', right: 'c', same: true }
    ]);
  });

  it('shows what only one side has', () => {
    expect(differences('a\nc', 'a\nb\nc').filter(line => !line.same)).toEqual([
      { left: '', right: 'b', same: false }
    ]);
    expect(differences('', '')).toEqual([]);
  });

  it('cuts long equal stretches', () => {
    const same = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    const lines = differences([...same, 'x'].join('\n'), [...same, 'y'].join('\n'));
    expect(lines.length).toBeLessThan(8);
    expect(lines.at(-1)).toEqual({ left: 'x', right: 'y', same: false });
  });
});
