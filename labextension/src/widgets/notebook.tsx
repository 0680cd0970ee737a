/** The notebook in front: what will go into its image and why, findings, what it costs. */

import * as React from 'react';
import { duration } from '../format';
import { ofFinding, ofProblem } from '../remedies';
import { said } from '../said';
import type { BuildResult, Finding } from '../types';
import { Button, Empty, Notice, ProblemNotice, Remedies, useModel, useNow, type ViewProps } from './common';
import { Contents } from './contents';

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
