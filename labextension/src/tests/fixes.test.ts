/** The panel's half of tests/fixes.json: which buttons each finding has. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ofFinding, type Remedy } from '../remedies';
import type { Finding } from '../types';

const TABLE = JSON.parse(
  readFileSync(join(__dirname, '..', '..', '..', 'tests', 'fixes.json'), 'utf8')
) as (Finding & { panel: Remedy[] })[];

describe('the buttons of a finding', () => {
  it.each(TABLE.map(row => [`${row.code}: ${row.what}`, row] as const))('%s', (_, row) => {
    expect(ofFinding(row)).toEqual(row.panel);
  });
});
