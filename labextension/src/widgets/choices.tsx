/** What a build is asked with: where to run, what else goes in, parameters. */

import * as React from 'react';
import { said } from '../said';
import type { Check } from '../types';
import { Button, useModel, type ViewProps } from './common';
import { OptionsForm } from './options';

export function ChoicesForm(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  const { choices } = model;
  return (
    <form className="jp-Containerize-choices" onSubmit={event => event.preventDefault()}>
      <WhereToRun {...props} />
      <fieldset>
        <legend>{trans.__('After building')}</legend>
        <label>
          <input
            type="checkbox"
            checked={choices.run}
            onChange={event => model.choose({ run: event.target.checked })}
          />
          {trans.__('Run the image')}
        </label>
        <label>
          <input
            type="checkbox"
            checked={choices.verify}
            onChange={event => model.choose({ verify: event.target.checked })}
          />
          {trans.__('Verify: compare its outputs with the notebook’s')}
        </label>
        <label>
          <input
            type="checkbox"
            checked={choices.network}
            onChange={event => model.choose({ network: event.target.checked })}
          />
          {trans.__('Let the run use the network')}
        </label>
      </fieldset>
      <Parameters {...props} />
      <Further {...props} />
      <Additions {...props} />
    </form>
  );
}

function WhereToRun(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  const checks = model.lists.doctor?.runtimes ?? [];
  const groups = runtimeGroups(checks).map(group =>
    group.name === 'kubernetes' && model.lists.reached ? { ...group, works: true } : group
  );
  const chosen = model.choices.runtime || model.lists.doctor?.suits.runtime || '';
  const names: Record<string, string> = {
    sandbox: trans.__('This machine'),
    docker: trans.__('Docker'),
    kubernetes: trans.__('A cluster')
  };
  return (
    <fieldset>
      <legend>{trans.__('Where to run')}</legend>
      {model.lists.doctor === null ? <p className="jp-Containerize-dim">{trans.__('Looking …')}</p> : null}
      {groups.map(group => (
        <div key={group.name} className="jp-Containerize-where">
          <label>
            <input
              type="radio"
              name="containerize-runtime"
              value={group.name}
              disabled={!group.works}
              checked={chosen === group.name}
              onChange={() => model.choose({ runtime: group.name })}
            />
            {names[group.name] ?? group.name}
          </label>
          {group.works ? null : (
            <WhyNot {...props} check={group.check} code={`cannot-${group.name}`} />
          )}
        </div>
      ))}
      {model.lists.doctor === null ? null : (
        <Button label={trans.__('Look again')} onClick={() => void model.lists.examine(model.view)} />
      )}
    </fieldset>
  );
}

/** What stands in the way, and what to do about it, for who wants to know. */
function WhyNot(props: ViewProps & { check: Check; code: string }): React.ReactElement {
  const { check, code, trans } = props;
  return (
    <details className="jp-Containerize-whynot" data-code={code}>
      <summary>{trans.__('Not here: why, and what to do')}</summary>
      <p>{said(check.what)}</p>
      {check.why ? <p className="jp-Containerize-why">{said(check.why)}</p> : null}
      {check.fix ? <p className="jp-Containerize-fix">{said(check.fix)}</p> : null}
    </details>
  );
}

/** One entry a runtime: it works if one of its ways works. */
export function runtimeGroups(
  checks: readonly Check[]
): { name: string; works: boolean; check: Check }[] {
  const found = new Map<string, { name: string; works: boolean; check: Check }>();
  for (const check of checks) {
    const name = check.name.split('/')[0] ?? check.name;
    const known = found.get(name);
    if (!known || (!known.works && check.works)) {
      found.set(name, { name, works: check.works, check });
    }
  }
  return [...found.values()];
}

function Parameters(props: ViewProps): React.ReactElement | null {
  const { model, trans } = props;
  const parameters = model.currentPlan?.parameters ?? [];
  if (parameters.length === 0) {
    return null;
  }
  const values = model.choices.parameters;
  return (
    <fieldset>
      <legend>{trans.__('Parameters')}</legend>
      {parameters.map(parameter => (
        <label key={parameter.name} className="jp-Containerize-parameter">
          <span>{parameter.name}</span>
          <input
            type="text"
            value={values[parameter.name] ?? ''}
            placeholder={parameter.default}
            onChange={event => {
              const all = { ...values, [parameter.name]: event.target.value };
              model.choose({
                parameters: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
              });
            }}
          />
        </label>
      ))}
    </fieldset>
  );
}

/** What has a control of its own here, or in the cluster's view. */
const SHOWN = ['--runtime', '--network', '--parameter', '--rtol', '--kernel', '--allow-errors', '--allow-secret'];
const PLACE = ['--context', '--namespace', '--registry'];

/** All other options of a build, or of a service. */
function Further(props: ViewProps): React.ReactElement {
  const { model } = props;
  const { kind, runtime, answers } = model.choices;
  const fields = (model.lists.forms?.[kind === 'inference' ? 'serve' : 'build'] ?? []).filter(
    field =>
      ![...SHOWN, ...PLACE].includes(field.option) &&
      (field.part !== 'cluster' || runtime === 'kubernetes')
  );
  return (
    <OptionsForm
      {...props}
      fields={fields}
      answers={answers}
      answer={some => model.choose({ answers: { ...answers, ...some } })}
    />
  );
}

/** What was added by buttons on findings; each can be taken away again. */
function Additions(props: ViewProps): React.ReactElement | null {
  const { model, trans } = props;
  const { choices } = model;
  const chips: { text: string; remove: () => void }[] = [
    ...choices.include.map(path => ({
      text: trans.__('Added: %1', path),
      remove: () => model.choose({ include: choices.include.filter(one => one !== path) })
    })),
    ...choices.mounts.map(mount => ({
      text: trans.__('Mounted: %1', mount.path),
      remove: () => model.choose({ mounts: choices.mounts.filter(one => one !== mount) })
    })),
    ...choices.packages.map(name => ({
      text: trans.__('Package: %1', name),
      remove: () => model.choose({ packages: choices.packages.filter(one => one !== name) })
    })),
    ...Object.keys(choices.variables).map(name => ({
      text: trans.__('Set for runs: %1', name),
      remove: () =>
        model.choose({
          variables: Object.fromEntries(Object.entries(choices.variables).filter(([one]) => one !== name))
        })
    })),
    ...choices.allowSecrets.map(what => ({
      text: trans.__('Allowed: %1', what),
      remove: () => model.choose({ allowSecrets: choices.allowSecrets.filter(one => one !== what) })
    })),
    ...(choices.allowErrors
      ? [{ text: trans.__('Cells may fail'), remove: () => model.choose({ allowErrors: false }) }]
      : []),
    ...(choices.rtol === 1e-6
      ? []
      : [
          {
            text: trans.__('Numbers may differ by %1', choices.rtol),
            remove: () => model.choose({ rtol: 1e-6 })
          }
        ])
  ];
  if (chips.length === 0) {
    return null;
  }
  return (
    <fieldset>
      <legend>{trans.__('Changed by you')}</legend>
      <ul className="jp-Containerize-chips">
        {chips.map(chip => (
          <li key={chip.text}>
            <span>{chip.text}</span>
            <button
              type="button"
              title={trans.__('Take back')}
              aria-label={trans.__('Take back: %1', chip.text)}
              onClick={chip.remove}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}
