/** All runs, and one of them in full: state, log, use of the machine, outputs, endpoint. */

import { showDialog, Dialog } from '@jupyterlab/apputils';
import * as React from 'react';
import { age, bytes, duration } from '../format';
import { said } from '../said';
import type { Output, RunRow, Usage } from '../types';
import { WorksAbout } from './about';
import { Button, Empty, Notice, useModel, useNow, type ViewProps } from './common';
import { ClusterActions } from './elsewhere';
import { LogView } from './log';
import { Sparkline } from './sparkline';
import { TryIt } from './tryit';
import { VirtualList } from './virtual';

const ROW_HEIGHT = 48;
const USAGE_MS = 1000;
const USAGE_KEPT = 60;
const LOOK_MS = 3000;

export function isLive(run: RunRow): boolean {
  return ['created', 'starting', 'running'].includes(run.state);
}

export function RunsView(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  const now = useNow(true, 1000);
  const { runs } = model.lists;
  const live = (runs ?? []).some(isLive);
  React.useEffect(() => {
    // Runs elsewhere (an engine, a cluster) leave no trace in the store when they change.
    const timer = live ? setInterval(() => void model.lists.refresh('runs'), LOOK_MS) : undefined;
    return () => clearInterval(timer);
  }, [live, model]);
  if (runs === null) {
    return <Empty what={trans.__('Looking …')} />;
  }
  if (runs.length === 0) {
    return (
      <div className="jp-Containerize-view">
        <Unlisted {...props} />
        <Empty what={trans.__('Nothing has been run yet.')} />
      </div>
    );
  }
  const selected = runs.find(run => run.id === model.selectedRun) ?? null;
  return (
    <div className="jp-Containerize-view">
      <Unlisted {...props} />
      <VirtualList
        rows={runs.length}
        rowHeight={ROW_HEIGHT}
        height={selected ? 3.5 * ROW_HEIGHT : 520}
        label={trans.__('Runs')}
        render={index => {
          const run = runs[index];
          return run ? <RunItem {...props} run={run} now={now} chosen={run === selected} /> : null;
        }}
      />
      {selected ? <RunDetail key={selected.id} {...props} run={selected} now={now} /> : null}
    </div>
  );
}

/** What kept runs from being listed. */
export function Unlisted(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  return (
    <>
      {model.lists.unlisted.map((one, index) => (
        <Notice
          key={index}
          tone="warning"
          label={trans.__('Not listed:')}
          what={said(one.what)}
          why={said(one.why)}
          fix={said(one.fix)}
          code={one.code}
        />
      ))}
    </>
  );
}

export function stateWord(run: RunRow, { trans }: ViewProps): string {
  const words: Record<string, string> = {
    created: trans.__('created'),
    starting: trans.__('starting'),
    running: trans.__('running'),
    succeeded: trans.__('succeeded'),
    failed: trans.__('failed'),
    stopped: trans.__('stopped'),
    lost: trans.__('lost')
  };
  return words[run.state] ?? run.state;
}

function tookOf(run: RunRow, now: number): string {
  const begun = run.started_at;
  return begun === null ? '' : duration(Math.max(0, (run.ended_at ?? now) - begun));
}

function RunItem(props: ViewProps & { run: RunRow; now: number; chosen: boolean }): React.ReactElement {
  const { run, now, chosen, model } = props;
  return (
    <button
      type="button"
      className={`jp-Containerize-item jp-Containerize-pick ${chosen ? 'jp-mod-chosen' : ''}`}
      aria-pressed={chosen}
      data-run={run.id}
      onClick={() => {
        model.selectedRun = chosen ? null : run.id;
        model.alter();
      }}
    >
      <span>
        <strong className="jp-Containerize-cut">{run.image}</strong>
        <span className={`jp-Containerize-badge jp-mod-${run.state}`}>{stateWord(run, props)}</span>
      </span>
      <span className="jp-Containerize-dim">
        {[run.id, run.started_at ? age(run.started_at, now) : '', tookOf(run, now), run.runtime]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </button>
  );
}

function RunDetail(props: ViewProps & { run: RunRow; now: number }): React.ReactElement {
  const { run, model, trans, execute } = props;
  const live = isLive(run);
  const outputs = useOutputs(props, live);
  return (
    <section className="jp-Containerize-detail" aria-label={trans.__('Run %1', run.id)}>
      {run.reason ? (
        <Notice
          tone={run.state === 'failed' ? 'error' : 'info'}
          label={stateWord(run, props)}
          what={said(run.reason)}
        />
      ) : null}
      <div className="jp-Containerize-actions">
        {live ? (
          <Button
            label={trans.__('Stop')}
            name="stop"
            onClick={() => void model.command('stop', run.id, { run: run.id }, trans.__('Stop %1', run.id))}
          />
        ) : (
          <Button label={trans.__('Delete')} name="run-delete" danger onClick={() => void remove(props)} />
        )}
        {run.endpoint ? (
          <a href={run.endpoint} target="_blank" rel="noreferrer">
            {run.endpoint}
          </a>
        ) : null}
        {outputs.some(output => output.path === 'executed.ipynb') ? (
          <Button
            label={trans.__('Open the executed notebook')}
            name="open-executed"
            onClick={() => execute('containerize:open-executed', { run: run.id, notebook: model.path })}
          />
        ) : null}
      </div>
      {run.runtime === 'kubernetes' ? <ClusterActions {...props} outputs={outputs.length} /> : null}
      <WorksAbout {...props} thing={run.id} />
      {live ? <UsageView {...props} /> : null}
      {run.endpoint && live ? <TryIt {...props} /> : null}
      <LogView {...props} run={run.id} live={live} />
      {outputs.length > 0 ? (
        <section aria-label={trans.__('Outputs')}>
          <h4>{trans.__('Outputs')}</h4>
          <ul className="jp-Containerize-outputs">
            {outputs.slice(0, 200).map(output => (
              <li key={output.path}>
                <a href={model.client.url('runs', run.id, 'outputs', output.path)} download>
                  {output.path}
                </a>
                <span className="jp-Containerize-dim"> {bytes(output.size_bytes)}</span>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </section>
  );
}

function useOutputs(props: ViewProps & { run: RunRow }, live: boolean): Output[] {
  const { run, model } = props;
  const [outputs, setOutputs] = React.useState<Output[]>([]);
  React.useEffect(() => {
    let gone = false;
    void model.client
      .get<{ files: Output[] }>(['runs', run.id, 'outputs'])
      .then(found => {
        if (!gone) {
          setOutputs(found.files);
        }
      })
      .catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [live, model, run.id]);
  return outputs;
}

function UsageView(props: ViewProps & { run: RunRow }): React.ReactElement | null {
  const { run, model, trans } = props;
  const [history, setHistory] = React.useState<Usage[]>([]);
  React.useEffect(() => {
    const look = async (): Promise<void> => {
      const usage = await model.client
        .get<{ usage: Usage | null }>(['runs', run.id, 'usage'])
        .then(found => found.usage)
        .catch(() => null);
      if (usage) {
        setHistory(before => [...before, usage].slice(-USAGE_KEPT));
      }
    };
    void look();
    const timer = setInterval(() => void look(), USAGE_MS);
    return () => clearInterval(timer);
  }, [model, run.id]);
  const last = history.at(-1);
  if (!last) {
    return null;
  }
  return (
    <div className="jp-Containerize-usage">
      <Sparkline
        label={trans.__('Processor: %1 %', Math.round(percents(history).at(-1) ?? 0))}
        values={percents(history)}
      />
      <Sparkline
        label={trans.__('Memory: %1', bytes(last.memory_bytes))}
        values={history.map(usage => usage.memory_bytes)}
      />
    </div>
  );
}

/** Return how busy a run was between looks; 100 is one processor. */
export function percents(history: readonly Usage[]): number[] {
  return history.slice(1).map((usage, index) => {
    const before = history[index] ?? usage;
    const seconds = usage.at - before.at;
    return seconds > 0 ? Math.max(0, (100 * (usage.cpu_s - before.cpu_s)) / seconds) : 0;
  });
}

async function remove(props: ViewProps & { run: RunRow }): Promise<void> {
  const { run, model, trans } = props;
  const answer = await showDialog({
    title: trans.__('Delete run %1?', run.id),
    body: trans.__('Its log and its outputs go with it.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })]
  });
  if (answer.button.accept) {
    model.selectedRun = null;
    await model.lists.delete('runs', run.id);
  }
}
