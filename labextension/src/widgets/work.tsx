/** One job as it goes on and as it ended: what is waited for, steps, layers, output, errors. */

import * as React from 'react';
import { bytes, duration } from '../format';
import { totals, type LayerProgress, type Progress, type Step } from '../progress';
import { said } from '../said';
import { isLive, type Work } from '../work';
import { Button, ProblemNotice, useNow, type ViewProps } from './common';

export function WorkView(
  props: ViewProps & {
    work: Work;
    /** What the job came to. */
    outcome: React.ReactNode;
    remedies?: React.ComponentProps<typeof ProblemNotice>['remedies'];
  }
): React.ReactElement {
  const { work, trans, outcome } = props;
  const live = isLive(work);
  const { progress } = work;
  return (
    <section
      aria-label={said(work.title) || trans.__('Progress')}
      className="jp-Containerize-work"
      data-phase={work.phase}
      data-work={work.command}
    >
      {live ? <Waiting {...props} /> : null}
      {progress.problem && !live ? (
        <ProblemNotice problem={progress.problem} trans={trans} remedies={props.remedies} />
      ) : null}
      {!live && progress.result ? outcome : null}
      <Steps steps={progress.steps} {...props} />
      {live ? <Meter progress={progress} {...props} /> : null}
      <LayersBar progress={progress} {...props} />
      {live && progress.log.length > 0 ? <Tail lines={progress.log} label={trans.__('Output')} /> : null}
    </section>
  );
}

/** Says what is being waited for, from the first instant on. */
function Waiting(props: ViewProps & { work: Work }): React.ReactElement {
  const { work, model, trans, execute } = props;
  const now = useNow(true);
  const asked = work.progress.steps.length === 0;
  const attaching = work.progress.steps.length === 1 && work.progress.steps[0]?.state === 'running';
  const busy = work.notebook !== '' && model.readiness.is === 'busy' && (asked || attaching);
  let text = trans.__('Working …');
  if (work.phase === 'cancelling') {
    text = trans.__('Stopping; what is finished is kept …');
  } else if (busy) {
    text = trans.__('The kernel is running a cell; the build begins when the cell has ended.');
  } else if (work.phase === 'asking' || asked) {
    text = trans.__('Starting …');
  }
  return (
    <div className="jp-Containerize-waiting" role="status">
      <span>{text}</span>{' '}
      <span className="jp-Containerize-dim">{duration(Math.max(0, now - work.startedAt))}</span>
      <div className="jp-Containerize-actions">
        <Button
          label={work.phase === 'cancelling' ? trans.__('Stop at once') : trans.__('Cancel')}
          name="cancel"
          disabled={work.job === null}
          onClick={() => void model.cancel(work)}
        />
        {busy ? (
          <Button
            label={trans.__('Interrupt the cell')}
            onClick={() => execute('kernelmenu:interrupt')}
          />
        ) : null}
      </div>
    </div>
  );
}

function Steps(props: ViewProps & { steps: readonly Step[] }): React.ReactElement | null {
  const { steps, trans } = props;
  if (steps.length === 0) {
    return null;
  }
  const marks = { running: '…', done: '✓', bad: '✗' };
  const words = {
    running: trans.__('running'),
    done: trans.__('done'),
    bad: trans.__('ended badly')
  };
  return (
    <ol className="jp-Containerize-steps" aria-label={trans.__('Steps')}>
      {steps.map((step, index) => (
        <li key={index} data-step={step.step} data-state={step.state}>
          <span className="jp-Containerize-mark" role="img" aria-label={words[step.state]}>
            {marks[step.state]}
          </span>
          <span className="jp-Containerize-grow">
            {said(step.title)}
            {step.summary ? <span className="jp-Containerize-summary">{said(step.summary)}</span> : null}
          </span>
          {step.state !== 'running' ? (
            <span className="jp-Containerize-dim">{duration(step.seconds)}</span>
          ) : null}
        </li>
      ))}
    </ol>
  );
}

/** What the running step counts, where it is not layers. */
function Meter(props: ViewProps & { progress: Progress }): React.ReactElement | null {
  const { meter } = props.progress;
  const { trans } = props;
  if (!meter || meter.total <= 0) {
    return null;
  }
  const item = said(meter.item);
  const inBytes = meter.unit === 'bytes';
  const [done, total] = [meter.done, meter.total].map(count => (inBytes ? bytes(count) : count));
  return (
    <p className="jp-Containerize-dim">
      <progress max={meter.total} value={meter.done} aria-label={item} />{' '}
      {trans.__('%1: %2 of %3', item, done, total)}
    </p>
  );
}

/** One bar for all layers, each as wide as it is large. */
function LayersBar(props: ViewProps & { work: Work; progress: Progress }): React.ReactElement | null {
  const { work, progress, trans } = props;
  const { layers } = progress;
  if (layers.length === 0) {
    return null;
  }
  const sum = totals(layers);
  const percent = sum.total ? Math.round((100 * (sum.written + sum.reused)) / sum.total) : 0;
  return (
    <div className="jp-Containerize-layers">
      <div
        className="jp-Containerize-bar"
        role="progressbar"
        aria-label={trans.__('Layers')}
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        {[...layers].sort((a, b) => b.total - a.total).map(layer => (
          <Segment key={layer.title} layer={layer} of={sum.total} {...props} />
        ))}
      </div>
      <p className="jp-Containerize-dim">
        {work.command === 'push'
          ? trans.__('%1 sent, %2 there already, of %3', ...[sum.written, sum.reused, sum.total].map(bytes))
          : trans.__('%1 written, %2 reused, of %3', ...[sum.written, sum.reused, sum.total].map(bytes))}
      </p>
    </div>
  );
}

function Segment(props: ViewProps & { layer: LayerProgress; of: number }): React.ReactElement {
  const { layer, of, trans } = props;
  const done = layer.total ? (100 * layer.done) / layer.total : 100;
  const words = {
    writing: trans.__('being written'),
    written: trans.__('written'),
    reused: trans.__('reused')
  };
  return (
    <span
      className={`jp-Containerize-segment jp-mod-${layer.state}`}
      style={{ flexGrow: Math.max(layer.total / Math.max(of, 1), 0.004) }}
      title={`${said(layer.title)}: ${bytes(layer.total)}, ${words[layer.state]}`}
    >
      <span style={{ width: `${done}%` }} />
    </span>
  );
}

export function Tail(props: { lines: readonly string[]; label: string }): React.ReactElement {
  const element = React.useRef<HTMLPreElement>(null);
  React.useLayoutEffect(() => {
    if (element.current) {
      element.current.scrollTop = element.current.scrollHeight;
    }
  });
  return (
    <pre className="jp-Containerize-log" ref={element} tabIndex={0} role="region" aria-label={props.label}>
      {props.lines.slice(-60).join('')}
    </pre>
  );
}

