/** The notebook in front: what will go into its image and why, findings, what it costs. */

import * as React from 'react';
import { age, bytes, duration } from '../format';
import { ofFinding, ofProblem } from '../remedies';
import { said } from '../said';
import type { BuildResult, FileRow, Finding, Plan } from '../types';
import { Button, Empty, Notice, ProblemNotice, Remedies, useModel, useNow, type ViewProps } from './common';
import { changesSummary, ChangesList } from './changes';
import { nameOf } from './images';
import { VirtualList } from './virtual';

type Table = 'packages' | 'files' | 'libraries' | 'executables' | 'layers';
const ROW_HEIGHT = 62;

export function NotebookView(props: ViewProps): React.ReactElement {
  const { model, trans, mend } = props;
  useModel(model);
  const plan = model.currentPlan;
  const { planning } = model;
  const live = planning !== null && planning.phase !== 'ended';
  const now = useNow(live);
  const problem = live ? null : (planning?.progress.problem ?? null);
  const result = model.work?.progress.result as BuildResult | undefined;
  const findings = plan?.findings ?? result?.findings ?? [];
  return (
    <div className="jp-Containerize-view">
      <Kind {...props} />
      <div className="jp-Containerize-actions">
        <Button
          label={plan ? trans.__('Look again') : trans.__('Show what goes in')}
          name="plan"
          disabled={live || model.notebook === null}
          onClick={() => void model.plan()}
        />
        {live ? (
          <span role="status" className="jp-Containerize-dim">
            {said(planning.progress.steps.at(-1)?.title ?? '') || trans.__('Starting …')}{' '}
            {duration(Math.max(0, now - planning.startedAt))}
          </span>
        ) : null}
      </div>
      {problem ? (
        <ProblemNotice
          problem={problem}
          trans={trans}
          remedies={one => <Remedies remedies={ofProblem(one)} trans={trans} mend={mend} />}
        />
      ) : null}
      <Findings {...props} findings={findings} />
      {plan ? <Contents {...props} plan={plan} /> : null}
      {!plan && !problem && !live ? (
        <Empty
          what={trans.__(
            'Before you build, you can see every package, file and library that will go in, and why.'
          )}
        />
      ) : null}
    </div>
  );
}

function Kind(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  const serves = model.can('serve');
  return (
    <fieldset className="jp-Containerize-kind">
      <legend>{trans.__('What the image does')}</legend>
      <label>
        <input
          type="radio"
          name="containerize-kind"
          checked={model.choices.kind === 'training'}
          onChange={() => model.choose({ kind: 'training' })}
        />
        {trans.__('Runs the notebook')}
      </label>
      <label title={serves ? '' : trans.__('This server cannot do it.')}>
        <input
          type="radio"
          name="containerize-kind"
          disabled={!serves}
          checked={model.choices.kind === 'inference'}
          onChange={() => model.choose({ kind: 'inference' })}
        />
        {trans.__('Serves a model')}
      </label>
      {model.choices.kind === 'inference' ? (
        <label className="jp-Containerize-parameter">
          <span>{trans.__('The model’s name in the notebook')}</span>
          <input
            type="text"
            value={model.choices.expression}
            placeholder="model"
            onChange={event => model.choose({ expression: event.target.value })}
          />
        </label>
      ) : null}
    </fieldset>
  );
}

export function Findings(props: ViewProps & { findings: readonly Finding[] }): React.ReactElement | null {
  const { findings, trans, mend } = props;
  if (findings.length === 0) {
    return null;
  }
  const words = {
    info: trans.__('Note:'),
    warning: trans.__('Warning:'),
    blocking: trans.__('Must be mended:')
  };
  return (
    <section aria-label={trans.__('Findings')}>
      {findings.map((finding, index) => (
        <Notice
          key={index}
          tone={finding.severity}
          label={words[finding.severity]}
          what={said(finding.what)}
          why={said(finding.why)}
          fix={said(finding.fix)}
          code={finding.code}
        >
          <Remedies remedies={ofFinding(finding)} trans={trans} mend={mend} />
        </Notice>
      ))}
    </section>
  );
}

function Contents(props: ViewProps & { plan: Plan }): React.ReactElement {
  const { plan, trans } = props;
  const [table, setTable] = React.useState<Table>('packages');
  const [search, setSearch] = React.useState('');
  const reused = new Map(plan.layers.map(layer => [said(layer.title), layer.reused ?? false]));
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
        {trans.__('%1 in all: %2 new, %3 there already.', bytes(total), bytes(fresh), bytes(total - fresh))}
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
