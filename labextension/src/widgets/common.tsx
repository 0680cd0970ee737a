/** What all views share: reading the model, notices, buttons, tables of few rows. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ContainerizeModel } from '../model';
import type { Remedy } from '../remedies';
import { said } from '../said';
import type { Problem, Severity } from '../types';

/** What every view is given. */
export interface ViewProps {
  model: ContainerizeModel;
  trans: TranslationBundle;
  /** Do what a remedy says, cells and kernel included. */
  mend: (remedy: Remedy) => void;
  /** Run a command of the application. */
  execute: (command: string, args?: Record<string, string>) => void;
}

/** Draw again whenever the model changes. */
export function useModel(model: ContainerizeModel): void {
  const subscribe = React.useCallback(
    (draw: () => void) => {
      model.changed.connect(draw);
      return () => {
        model.changed.disconnect(draw);
      };
    },
    [model]
  );
  React.useSyncExternalStore(subscribe, () => model.version);
}

/** Now, in seconds, again every so often while `live`. */
export function useNow(live: boolean, everyMs = 1000): number {
  const [now, setNow] = React.useState(() => Date.now() / 1000);
  React.useEffect(() => {
    if (!live) {
      return undefined;
    }
    const timer = setInterval(() => setNow(Date.now() / 1000), everyMs);
    return () => clearInterval(timer);
  }, [live, everyMs]);
  return now;
}

export function Button(props: {
  label: string;
  onClick: () => void;
  primary?: boolean;
  danger?: boolean;
  disabled?: boolean;
  title?: string;
  name?: string;
}): React.ReactElement {
  const kinds = ['jp-Containerize-button'];
  if (props.primary) {
    kinds.push('jp-mod-primary');
  }
  if (props.danger) {
    kinds.push('jp-mod-danger');
  }
  return (
    <button
      type="button"
      className={kinds.join(' ')}
      onClick={props.onClick}
      disabled={props.disabled}
      title={props.title}
      data-name={props.name}
    >
      {props.label}
    </button>
  );
}

export type Tone = Severity | 'good' | 'error';

/** Something the user should know: what, why, what to do, and buttons that do it. */
export function Notice(props: {
  tone: Tone;
  what: string;
  why?: string;
  fix?: string;
  code?: string;
  label: string;
  children?: React.ReactNode;
}): React.ReactElement {
  return (
    <section
      className={`jp-Containerize-notice jp-mod-${props.tone}`}
      data-code={props.code}
      role={props.tone === 'error' ? 'alert' : undefined}
    >
      <p className="jp-Containerize-what">
        <span className="jp-Containerize-tone">{props.label}</span> {props.what}
      </p>
      {props.why ? <p className="jp-Containerize-why">{props.why}</p> : null}
      {props.fix ? <p className="jp-Containerize-fix">{props.fix}</p> : null}
      {props.children ? <div className="jp-Containerize-actions">{props.children}</div> : null}
    </section>
  );
}

/** An error with everything that was found beside it. */
export function ProblemNotice(props: {
  problem: Problem;
  trans: TranslationBundle;
  remedies?: (problem: Problem) => React.ReactNode;
  children?: React.ReactNode;
}): React.ReactElement {
  const { problem, trans, remedies } = props;
  return (
    <>
      {[problem, ...(problem.also ?? [])].map((one, index) => (
        <Notice
          key={index}
          tone="error"
          label={trans.__('Error:')}
          what={said(one.what)}
          why={said(one.why)}
          fix={said(one.fix)}
          code={one.code}
        >
          {remedies?.(one)}
          {index === 0 ? props.children : null}
        </Notice>
      ))}
    </>
  );
}

/** Buttons for remedies. */
export function Remedies(props: {
  remedies: readonly Remedy[];
  trans: TranslationBundle;
  mend: (remedy: Remedy) => void;
}): React.ReactElement {
  return (
    <>
      {props.remedies.map((remedy, index) => (
        <Button
          key={index}
          label={remedyLabel(remedy, props.trans)}
          onClick={() => props.mend(remedy)}
          name={`mend-${remedy.is}`}
        />
      ))}
    </>
  );
}

export function remedyLabel(remedy: Remedy, trans: TranslationBundle): string {
  switch (remedy.is) {
    case 'include':
      return trans.__('Add %1', shortPath(remedy.path));
    case 'mount':
      return trans.__('Mount %1 when it runs', shortPath(remedy.host));
    case 'variable':
      return trans.__('Set %1 …', remedy.name);
    case 'package':
      return trans.__('Add the package %1', remedy.name);
    case 'install':
      return remedy.requirement.includes('==')
        ? trans.__('Pin %1 in a new cell', remedy.requirement)
        : trans.__('Install %1 in a new cell', remedy.requirement);
    case 'allow-secret':
      return trans.__('It is no secret: allow it');
    case 'allow-errors':
      return trans.__('Build although a cell failed');
    case 'tolerance':
      return trans.__('Let numbers differ by %1', remedy.rtol);
    case 'tag':
      return trans._n('Tag cell %2 “%3”', 'Tag cells %2 “%3”', remedy.cells.length, remedy.cells.join(', '), remedy.tag);
    case 'show-cell':
      return trans.__('Show cell %1', remedy.cell);
    case 'run-cell':
      return trans.__('Run cell %1', remedy.cell);
    case 'rerun':
      return trans.__('Restart the kernel and run all cells');
    case 'reconnect':
      return trans.__('Connect again');
    case 'choose-kernel':
      return trans.__('Choose a kernel …');
    case 'new-kernel':
      return trans.__('Run the cells in a new kernel instead');
    case 'save':
      return trans.__('Save the notebook');
  }
}

function shortPath(path: string): string {
  return path.split('/').pop() || path;
}

/** An empty view: what will be here, and how it comes here. */
export function Empty(props: { what: string; children?: React.ReactNode }): React.ReactElement {
  return (
    <div className="jp-Containerize-empty">
      <p>{props.what}</p>
      {props.children}
    </div>
  );
}
