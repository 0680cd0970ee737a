/** What changed from one image to another, or to what would be built now. */

import * as React from 'react';
import type { Changes } from '../types';
import type { ViewProps } from './common';

export function ChangesList(props: ViewProps & { changes: Changes }): React.ReactElement {
  const { changes, trans } = props;
  const { packages, files, cells } = changes;
  const words: Record<string, string> = {
    changed: trans.__('changed'),
    added: trans.__('added'),
    removed: trans.__('removed')
  };
  if (packages.length + files.length + cells.length === 0) {
    return <p className="jp-Containerize-dim">{trans.__('The same packages, files and cells.')}</p>;
  }
  return (
    <ul className="jp-Containerize-changes">
      {packages.map(change => (
        <li key={`package-${change.name}`}>
          {change.name} {change.old || trans.__('absent')} → {change.new || trans.__('absent')}
        </li>
      ))}
      {files.map(change => (
        <li key={`file-${change.name}`}>
          {change.name}: {words[change.old ? (change.new ? 'changed' : 'removed') : 'added']}
        </li>
      ))}
      {cells.map((cell, index) => (
        <li key={`cell-${index}`}>
          {trans.__('Cell %1: %2', cell.number, words[cell.change] ?? cell.change)}
          {cell.lines.length > 0 ? (
            <pre className="jp-Containerize-log" tabIndex={0}>
              {cell.lines.join('\n')}
            </pre>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

/** How much changed, in a few words. */
export function changesSummary({ packages, files, cells }: Changes, { trans }: ViewProps): string {
  const parts = [
    packages.length ? trans._n('%1 package', '%1 packages', packages.length) : '',
    files.length ? trans._n('%1 file', '%1 files', files.length) : '',
    cells.length ? trans._n('%1 cell', '%1 cells', cells.length) : ''
  ].filter(Boolean);
  return parts.length ? parts.join(', ') : trans.__('nothing');
}
