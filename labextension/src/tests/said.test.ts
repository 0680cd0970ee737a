/** Sentences of Python's in a language of our own: what is given is turned, what varies is not. */

import { Gettext } from '@jupyterlab/translation/lib/gettext';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ofFinding } from '../remedies';
import { learn, said } from '../said';
import { sayings } from '../sayings';
import type { Finding } from '../types';

const TABLE = JSON.parse(
  readFileSync(join(__dirname, '..', '..', '..', 'tests', 'fixes.json'), 'utf8')
) as Finding[];

/** The pseudo-language: in guillemets, values first to last as before, its words in capitals. */
function turned(text: string): string {
  return `«${text.replace(/[a-z]/g, letter => letter.toUpperCase())}»`;
}

/** JupyterLab's own translator, with the catalogue that a language pack would have. */
vi.stubGlobal('document', { documentElement: { getAttribute: () => 'eo' } });
const DOMAIN = 'jupyter_containerize';
const CONTEXT_END = '\u0004';
const trans = new Gettext({ domain: DOMAIN, locale: 'eo' });
trans.loadJSON(
  {
    '': { language: 'eo', domain: DOMAIN, pluralForms: 'nplurals=2; plural=(n != 1);' },
    ...Object.fromEntries(
      sayings({ __: text => text, _p: (context, text) => context + CONTEXT_END + text }).map(key => [
        key,
        [turned(key.split(CONTEXT_END).at(-1) ?? '')]
      ])
    )
  },
  DOMAIN
);

describe('what Python said', () => {
  beforeAll(() => learn(trans, 'eo'));

  it('is told in the language of the page, names as they are', () => {
    expect(said('The kernel died.')).toBe('«THE KERNEL DIED.»');
    expect(said('imported by cell 3')).toBe('«IMPORTED BY «CELL 3»»');
    expect(said('required by pandas')).toBe('«REQUIRED BY pandas»');
    expect(said('Building far-away')).toBe('«BUILDING far-away»');
    expect(said('local code')).toBe('«LOCAL CODE»');
    expect(said('Cells: 1 failed, 2 different.')).toBe('«CELLS: «1 FAILED», «2 DIFFERENT».»');
  });

  it('is taken apart where it was put together', () => {
    expect(said('The kernel died. The file a b.csv is not in the image.')).toBe(
      '«THE KERNEL DIED.» «THE FILE a b.csv IS NOT IN THE IMAGE.»'
    );
    expect(said('Cells 1, 4 and 7 ran before a cell above.')).toBe('«CELLS 1, 4 kaj 7 RAN BEFORE A CELL ABOVE.»');
  });

  it('is left alone when it is nobody’s sentence', () => {
    for (const text of ['', 'numpy 2.1.0', 'sudo make me a sandwich', 'these are my files', '%1 $& %2']) {
      expect(said(text)).toBe(text);
    }
    expect(said('The file $& %2 is not in the image.')).toBe('«THE FILE $& %2 IS NOT IN THE IMAGE.»');
  });

  it.each(TABLE.map(row => [`${row.code}: ${row.what}`, row] as const))('%s', (_, row) => {
    const before = JSON.stringify(ofFinding(row));
    expect(said(row.what)).toMatch(/^«/);
    expect(said(row.fix)).toMatch(row.fix ? /^«/ : /^$/);
    expect(JSON.stringify(ofFinding(row))).toBe(before);
  });

  it('is found quickly, the first time too', () => {
    const begun = performance.now();
    for (let number = 0; number < 500; number += 1) {
      said(`required by package-${number}`);
    }
    expect(performance.now() - begun).toBeLessThan(2000); // 30 ms measured
  });

  it('is English in English, and the sayings’ places are those of their translations', async () => {
    const templates = sayings({ __: text => text, _p: (_, text) => text });
    expect(templates.length).toBeGreaterThan(1000);
    expect(new Set(templates).size).toBe(templates.length);
    await learn(trans, 'en');
    expect(said('The kernel died.')).toBe('The kernel died.');
  });
});
