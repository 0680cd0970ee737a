/** The options of a command as a form: the same that who types has, with the same words. */

import * as React from 'react';
import { says, type Answer, type Answers } from '../choices';
import { said } from '../said';
import type { FormField } from '../types';
import type { ViewProps } from './common';

export function OptionsForm(
  props: ViewProps & {
    fields: readonly FormField[];
    answers: Answers;
    answer: (some: Answers) => void;
  }
): React.ReactElement | null {
  const { fields, answers, answer, trans } = props;
  if (fields.length === 0) {
    return null;
  }
  const given = fields.filter(field => says(answers[field.option])).length;
  const titles = {
    image: trans.__('The image'),
    run: trans.__('Its runs'),
    cluster: trans.__('In a cluster')
  };
  return (
    <details className="jp-Containerize-options" data-code="options">
      <summary>
        {given > 0
          ? trans._n('More options (%1 given)', 'More options (%1 given)', given)
          : trans.__('More options')}
      </summary>
      {(['image', 'run', 'cluster'] as const).map(part => {
        const shown = fields.filter(field => field.part === part);
        return shown.length === 0 ? null : (
          <fieldset key={part}>
            <legend>{titles[part]}</legend>
            {shown.map(field => (
              <FieldOf
                key={field.option}
                field={field}
                value={answers[field.option]}
                change={value => answer({ [field.option]: value })}
              />
            ))}
          </fieldset>
        );
      })}
    </details>
  );
}

function FieldOf(props: {
  field: FormField;
  value: Answer | undefined;
  change: (value: Answer) => void;
}): React.ReactElement {
  const { field, value, change } = props;
  const id = React.useId();
  const control =
    field.kind === 'flag' ? (
      <label>
        <input
          type="checkbox"
          checked={value === true}
          aria-describedby={id}
          onChange={event => change(event.target.checked)}
        />
        {said(field.label)}
      </label>
    ) : (
      <label className="jp-Containerize-parameter">
        <span>{said(field.label)}</span>
        <Written {...props} help={id} />
      </label>
    );
  return (
    <div className="jp-Containerize-option" data-option={field.option}>
      {control}
      <p id={id} className="jp-Containerize-dim">
        {said(field.help)}
      </p>
    </div>
  );
}

/** Where something is written or chosen; of several texts each has a line. */
function Written(props: {
  field: FormField;
  value: Answer | undefined;
  change: (value: Answer) => void;
  help: string;
}): React.ReactElement {
  const { field, value, change, help } = props;
  if (field.kind === 'choice') {
    return (
      <select
        value={typeof value === 'string' ? value : ''}
        aria-describedby={help}
        onChange={event => change(event.target.value)}
      >
        {['', ...field.choices].map(choice => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </select>
    );
  }
  if (field.kind === 'many') {
    const lines = typeof value === 'object' ? value : [];
    return (
      <textarea
        rows={Math.min(Math.max(lines.length, 1), 6)}
        value={lines.join('\n')}
        placeholder={field.value}
        aria-describedby={help}
        onChange={event => change(event.target.value.split('\n'))}
      />
    );
  }
  return (
    <input
      type="text"
      value={typeof value === 'string' ? value : ''}
      placeholder={field.value}
      aria-describedby={help}
      onChange={event => change(event.target.value)}
    />
  );
}
