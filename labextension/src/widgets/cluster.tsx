/** The cluster: whether one can be reached, as whom, and what runs there. */

import * as React from 'react';
import { said } from '../said';
import { runtimeGroups } from './choices';
import type { RunRow } from '../types';
import { Button, Empty, Notice, useModel, type ViewProps } from './common';
import { stateWord, Unlisted } from './runs';

export function ClusterView(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  React.useEffect(() => {
    void model.lists.refresh('runs');
  }, [model]);
  if (model.lists.doctor === null) {
    return <Empty what={trans.__('Looking …')} />;
  }
  const cluster = runtimeGroups(model.lists.doctor.runtimes).find(group => group.name === 'kubernetes');
  const runs = (model.lists.runs ?? []).filter(run => run.runtime === 'kubernetes');
  const check = cluster?.check;
  const contexts = model.lists.contexts ?? [];
  const current = contexts.find(one => one.current)?.name ?? '';
  const isElsewhere = model.choices.context !== '' && model.choices.context !== current;
  return (
    <div className="jp-Containerize-view">
      {isElsewhere ? null : check ? (
        <Notice
          tone={check.works ? 'good' : 'info'}
          label={check.works ? trans.__('Cluster:') : trans.__('No cluster:')}
          what={said(check.what)}
          why={said(check.why)}
          fix={said(check.fix)}
        />
      ) : (
        <Empty
          what={trans.__('This version runs images on this machine only; clusters are not among its runtimes.')}
        />
      )}
      {check?.works || contexts.length > 1 ? <Place {...props} /> : null}
      <div className="jp-Containerize-actions">
        <Button label={trans.__('Look again')} onClick={() => void model.lists.examine(model.view)} />
      </div>
      {model.lists.looking ? (
        <p role="status" className="jp-Containerize-dim">
          {trans.__('Asking the cluster …')}
        </p>
      ) : null}
      <Unlisted {...props} />
      {runs.length > 0 ? (
        <section>
          <h4>{trans.__('What runs there')}</h4>
          <ul aria-label={trans.__('What runs there')} className="jp-Containerize-there">
            {runs.map(run => (
              <li key={run.id}>
                <span className="jp-Containerize-cut" title={run.id}>
                  {run.image} <span className="jp-Containerize-dim">{whereOf(run)}</span>
                </span>
                <span className={`jp-Containerize-badge jp-mod-${run.state}`}>{stateWord(run, props)}</span>
                <Button
                  label={trans.__('Show')}
                  title={trans.__('Show run %1', run.id)}
                  onClick={() => model.show('runs', run.id)}
                />
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </div>
  );
}

/** In which context and namespace a run is, as far as it was said. */
function whereOf(run: RunRow): string {
  const { context, namespace } = run.spec.cluster?.place ?? { context: '', namespace: '' };
  return [context, namespace].filter(Boolean).join(' · ');
}

/** Where in which cluster, and from which registry its nodes pull. */
function Place(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  const { choices } = model;
  const contexts = model.lists.contexts ?? [];
  const current = contexts.find(one => one.current);
  const chosen = contexts.find(one => one.name === choices.context) ?? current;
  return (
    <form
      className="jp-Containerize-choices"
      onSubmit={event => {
        event.preventDefault();
        void model.lookIn(choices.context, choices.namespace);
      }}
    >
      <fieldset>
        <legend>{trans.__('Where in which cluster')}</legend>
        <label className="jp-Containerize-parameter">
          <span>{trans.__('Context')}</span>
          <select
            value={choices.context || (current?.name ?? '')}
            onChange={event => void model.lookIn(event.target.value, '')}
          >
            {contexts.map(one => (
              <option key={one.name} value={one.name}>
                {one.name || trans.__('the cluster that this server runs in')}
              </option>
            ))}
          </select>
        </label>
        <label className="jp-Containerize-parameter">
          <span>{trans.__('Namespace')}</span>
          <input
            type="text"
            value={choices.namespace}
            placeholder={chosen?.namespace || 'default'}
            onChange={event => model.choose({ namespace: event.target.value.trim() })}
          />
        </label>
        <label className="jp-Containerize-parameter">
          <span>{trans.__('Registry')}</span>
          <input
            type="text"
            value={choices.registry}
            placeholder={trans.__('the one used last')}
            onChange={event => model.choose({ registry: event.target.value.trim() })}
          />
        </label>
      </fieldset>
      <div className="jp-Containerize-actions">
        <Button label={trans.__('Show what runs there')} onClick={() => void model.lookIn(choices.context, choices.namespace)} />
      </div>
    </form>
  );
}
