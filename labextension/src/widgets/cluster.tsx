/** The cluster: whether one can be reached, as whom, and what runs there. */

import * as React from 'react';
import { runtimeGroups } from './choices';
import { Button, Empty, Notice, useModel, type ViewProps } from './common';
import { stateWord } from './runs';

export function ClusterView(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  React.useEffect(() => {
    void model.refresh('runs');
  }, [model]);
  if (model.doctor === null) {
    return <Empty what={trans.__('Looking …')} />;
  }
  const cluster = runtimeGroups(model.doctor.runtimes).find(group => group.name === 'kubernetes');
  const runs = (model.runs ?? []).filter(run => run.runtime === 'kubernetes');
  const check = cluster?.check;
  return (
    <div className="jp-Containerize-view">
      {check ? (
        <Notice
          tone={check.works ? 'good' : 'info'}
          label={check.works ? trans.__('Cluster:') : trans.__('No cluster:')}
          what={check.what}
          why={check.why}
          fix={check.fix}
        />
      ) : (
        <Empty
          what={trans.__('This version runs images on this machine only; clusters are not among its runtimes.')}
        />
      )}
      <div className="jp-Containerize-actions">
        <Button label={trans.__('Look again')} onClick={() => void model.examine()} />
      </div>
      {runs.length > 0 ? (
        <ul aria-label={trans.__('What runs there')}>
          {runs.map(run => (
            <li key={run.id}>
              {run.image} · {stateWord(run, props)}{' '}
              <Button
                label={trans.__('Show')}
                onClick={() => {
                  model.selectedRun = run.id;
                  model.view = 'runs';
                }}
              />
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
