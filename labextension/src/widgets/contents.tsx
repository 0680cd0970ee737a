/** What goes into an image, or is in one, and why: tables that can be searched. */

import * as React from 'react';
import { age, bytes } from '../format';
import { said } from '../said';
import type { FileRow, Plan } from '../types';
import { changesSummary, ChangesList } from './changes';
import type { ViewProps } from './common';
import { nameOf } from './images';
import { VirtualList } from './virtual';

type Table = 'packages' | 'files' | 'libraries' | 'executables' | 'layers';
const ROW_HEIGHT = 62;

export function Contents(props: ViewProps & { plan: Plan }): React.ReactElement {
  const { plan, trans } = props;
  const [table, setTable] = React.useState<Table>('packages');
  const [search, setSearch] = React.useState('');
  const reused = new Map(plan.layers.map(layer => [said(layer.title), layer.reused]));
  const planned = plan.layers.some(layer => layer.reused !== undefined);
  const rows = rowsOf(plan, table, search.trim().toLowerCase());
  const total = plan.layers.reduce((sum, layer) => sum + layer.size_bytes, 0);
  const fresh = plan.layers
    .filter(layer => !layer.reused)
    .reduce((sum, layer) => sum + layer.size_bytes, 0);
  const names: Record<Table, string> = {
    packages: trans.__('Packages (%1)', plan.packages.length),
    files: trans.__('Files (%1)', plan.files.length),
    libraries: trans.__('Libraries (%1)', plan.libraries.length),
    executables: trans.__('Programs (%1)', plan.executables.length),
    layers: trans.__('Layers (%1)', plan.layers.length)
  };
  return (
    <section aria-label={trans.__('What goes in')}>
      <p>
        {planned
          ? trans.__('%1 in all: %2 new, %3 there already.', bytes(total), bytes(fresh), bytes(total - fresh))
          : trans.__('%1 in all.', bytes(total))}
      </p>
      <Since {...props} />
      <div className="jp-Containerize-filter">
        <label>
          <span>{trans.__('Show')}</span>
          <select value={table} onChange={event => setTable(event.target.value as Table)}>
            {(Object.keys(names) as Table[]).map(key => (
              <option key={key} value={key}>
                {names[key]}
              </option>
            ))}
          </select>
        </label>
        <label className="jp-Containerize-grow">
          <span>{trans.__('Search')}</span>
          <input type="search" value={search} onChange={event => setSearch(event.target.value)} />
        </label>
      </div>
      {rows.length === 0 ? (
        <p className="jp-Containerize-dim">{trans.__('Nothing of that.')}</p>
      ) : (
        <VirtualList
          rows={rows.length}
          rowHeight={ROW_HEIGHT}
          height={360}
          label={names[table]}
          render={index => {
            const row = rows[index];
            return row ? <ContentRow {...props} row={row} reused={reused.get(row.layer)} /> : null;
          }}
        />
      )}
    </section>
  );
}

/** What changes against the last image of this notebook. */
function Since(props: ViewProps & { plan: Plan }): React.ReactElement | null {
  const { plan, trans } = props;
  const { since } = plan;
  if (!since) {
    return null;
  }
  const now = Date.now() / 1000;
  return (
    <details data-code="since">
      <summary>
        {trans.__('Changed since %1 (%2): %3', nameOf(since.image), age(since.image.built_at, now), changesSummary(since, props))}
      </summary>
      <ChangesList {...props} changes={since} />
    </details>
  );
}

interface Row {
  name: string;
  detail: string;
  size: number;
  reason: string;
  layer: string;
}

function ContentRow(props: ViewProps & { row: Row; reused: boolean | undefined }): React.ReactElement {
  const { row, reused, trans } = props;
  return (
    <div className="jp-Containerize-two" title={`${row.name} ${row.detail}\n${row.reason}\n${row.layer}`}>
      <div>
        <strong>{row.name}</strong> <span className="jp-Containerize-dim">{row.detail}</span>
        <span className="jp-Containerize-right">{bytes(row.size)}</span>
      </div>
      <div className="jp-Containerize-dim">
        <span className="jp-Containerize-cut">{row.reason}</span>
      </div>
      <div className="jp-Containerize-dim">
        <span className="jp-Containerize-cut">
          {row.layer && row.layer !== row.name ? trans.__('layer: %1', row.layer) : ''}
        </span>
        {reused === undefined ? null : (
          <span className={`jp-Containerize-badge jp-mod-${reused ? 'reused' : 'new'}`}>
            {reused ? trans.__('reused') : trans.__('new')}
          </span>
        )}
      </div>
    </div>
  );
}

/** Return the rows of a table that hold the searched text, the largest first. */
export function rowsOf(plan: Plan, table: Table, search: string): Row[] {
  const file = (item: FileRow): Row => ({
    name: item.name ?? item.path,
    detail: item.package ?? said(item.what ?? ''),
    size: item.size_bytes,
    reason: item.reasons.map(said).join(', '),
    layer: said(item.layer)
  });
  let rows: Row[];
  if (table === 'packages') {
    rows = plan.packages.map(item => ({
      name: item.name,
      detail: item.version,
      size: item.size_bytes,
      reason: item.reasons.map(said).join(', '),
      layer: said(item.layer)
    }));
  } else if (table === 'layers') {
    rows = plan.layers.map(item => ({
      name: said(item.title),
      detail: said(item.kind),
      size: item.size_bytes,
      reason: '',
      layer: said(item.title)
    }));
  } else {
    rows = plan[table].map(file);
  }
  return rows
    .filter(row => `${row.name} ${row.detail} ${row.reason}`.toLowerCase().includes(search))
    .sort((a, b) => b.size - a.size);
}
