/** One range of JupyterLab: what is declared, what the page is asked for, and what the code is compiled against. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(__dirname, '..', '..');
const read = <T>(name: string): T => JSON.parse(readFileSync(join(ROOT, name), 'utf8')) as T;
const declared = read<{
  dependencies: Record<string, string>;
  jupyterlab: { sharedPackages: Record<string, { requiredVersion: string }> };
}>('package.json');
const locked = read<{ packages: Record<string, { version: string }> }>('package-lock.json').packages;
const ofPage = Object.entries(declared.dependencies).filter(([name]) => name.startsWith('@'));
const ranges = ofPage.filter(([name]) => name.startsWith('@jupyterlab/'));

describe('the range of JupyterLab', () => {
  it('is all of JupyterLab 4', () => {
    expect(declared.dependencies['@jupyterlab/application']).toBe('^4.0.0');
  });

  // Without this the builder asks the page for its own version, and the console warns.
  it.each(ofPage)('%s is asked of the page as declared', (name, range) => {
    expect(declared.jupyterlab.sharedPackages[name]?.requiredVersion).toBe(range);
  });

  // So that nothing newer than the oldest JupyterLab is used: the compiler would not find it.
  it.each(ranges)('%s is compiled against at its oldest', (name, range) => {
    expect(`^${locked[`node_modules/${name}`]?.version ?? ''}`).toBe(range);
  });
});
