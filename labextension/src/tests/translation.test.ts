/** Every text that people read goes through JupyterLab's translator. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ts from 'typescript';
import { describe, expect, it } from 'vitest';

const SOURCE = join(__dirname, '..');
/** What people read or hear, as attributes of elements and as options of dialogs and commands. */
const READ = new Set(['label', 'title', 'aria-label', 'alt', 'caption', 'what', 'why', 'fix', 'body', 'placeholder']);
const LETTERS = /\p{L}{2,}/u;
/** Names and addresses, the same in every language. */
const NO_WORDS = new Set(['model', 'registry.example.org/team', 'registry.example.org/team/name:tag']);

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return entry.name === 'tests' ? [] : files(path);
    }
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

/** Return texts that reach people as they stand in the source. */
export function untranslated(name: string, text: string): string[] {
  const found: string[] = [];
  const tell = (node: ts.Node, value: string): void => {
    if (LETTERS.test(value) && !NO_WORDS.has(value)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push(`${name}:${line + 1}: ${value.trim()}`);
    }
  };
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node)) {
      tell(node, node.text);
    }
    if (ts.isJsxExpression(node) && node.expression && ts.isStringLiteralLike(node.expression) && !ts.isJsxAttribute(node.parent)) {
      tell(node, node.expression.text);
    }
    if (ts.isJsxAttribute(node) && READ.has(node.name.getText()) && node.initializer && ts.isStringLiteral(node.initializer)) {
      tell(node, node.initializer.text);
    }
    if (ts.isPropertyAssignment(node) && READ.has(node.name.getText())) {
      if (ts.isStringLiteralLike(node.initializer)) {
        tell(node, node.initializer.text);
      }
      if (ts.isTemplateExpression(node.initializer)) {
        const { head, templateSpans } = node.initializer;
        tell(node, [head, ...templateSpans.map(span => span.literal)].map(part => part.text).join(' '));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('translation', () => {
  it('finds texts that are not translated', () => {
    const text = `const a = <p title="Two words">three words{'four'}{trans.__('fine')}</p>; f({ label: 'five', why: \`six \${a}\`, id: 'seven' });`;
    expect(untranslated('a.tsx', text)).toHaveLength(5);
  });

  it('is asked for every text that people read', () => {
    const found = files(SOURCE).flatMap(path => untranslated(path.slice(SOURCE.length + 1), readFileSync(path, 'utf8')));
    expect(found).toEqual([]);
  });

  it('is asked for texts only, whole and as they are, so that catalogues can be made', () => {
    const calls = files(SOURCE).flatMap(path =>
      [...readFileSync(path, 'utf8').matchAll(/trans\.(?:__|_n|_p)\(\s*([^\s])/g)].map(match => match[1])
    );
    expect(calls.length).toBeGreaterThan(100);
    expect(new Set(calls)).toEqual(new Set(["'"]));
  });
});
