/** What a job came to: an image with its proof, a started run, a push, an export. */

import * as React from 'react';
import { bytes } from '../format';
import { said } from '../said';
import type { BuildResult, ExportResult, GcResult, PushResult, RunRow } from '../types';
import type { Work } from '../work';
import { Button, Notice, type ViewProps } from './common';
import { stateWord } from './runs';
import { VerdictView } from './verdict';

/** What a build, or the making of a service, came to. */
export function Built(props: ViewProps & { result: BuildResult }): React.ReactElement {
  const { result, trans } = props;
  const { run, verdict, image } = result;
  const name = image.names[0] ?? image.id;
  const reused = result.layers.filter(layer => layer.reused);
  const fresh = image.size_bytes - reused.reduce((sum, layer) => sum + layer.size_bytes, 0);
  return (
    <>
      <Notice
        tone="good"
        label={trans.__('Built:')}
        what={trans.__('%1, %2, of which %3 new', name, bytes(image.size_bytes), bytes(fresh))}
        code="built"
      />
      {verdict ? <VerdictView {...props} verdict={verdict} mendable /> : null}
      {run ? <Ran {...props} run={run} judged={!!verdict} /> : null}
    </>
  );
}

function Ran(props: ViewProps & { run: RunRow; judged: boolean }): React.ReactElement {
  const { run, judged, model, trans, execute } = props;
  const ended = ['succeeded', 'failed', 'stopped', 'lost'].includes(run.state);
  return (
    <>
      {ended && run.state !== 'succeeded' && !judged ? (
        <Notice
          tone={run.state === 'stopped' ? 'info' : 'error'}
          label={run.state === 'stopped' ? trans.__('Note:') : trans.__('Error:')}
          what={trans.__('The run %1 %2.', run.id, stateWord(run, props))}
          why={said(run.reason)}
          code="run-failed"
        />
      ) : null}
      <div className="jp-Containerize-actions">
        {ended && !run.endpoint ? (
          <Button
            label={trans.__('Open the executed notebook')}
            name="open-executed"
            onClick={() => execute('containerize:open-executed', { run: run.id, notebook: model.path })}
          />
        ) : null}
        <Button
          label={run.endpoint ? trans.__('Try it') : trans.__('Show the run')}
          name="show-run"
          onClick={() => model.show('runs', run.id)}
        />
      </div>
    </>
  );
}

/** What a job about an image, a run or the whole store came to. */
export function Outcome(props: ViewProps & { work: Work }): React.ReactElement | null {
  const { work, trans } = props;
  const { result } = work.progress;
  const good = (label: string, what: string): React.ReactElement => (
    <Notice tone="good" label={label} what={what} code={`${work.command}-done`} />
  );
  switch (work.command) {
    case 'push': {
      const { reference, sent_bytes } = result as PushResult;
      return good(trans.__('Pushed:'), trans.__('%1 (%2 sent)', reference, bytes(sent_bytes)));
    }
    case 'export': {
      const { folder, files } = result as ExportResult;
      return good(trans.__('Exported:'), trans._n('%1 file', '%1 files', files.length) + ` → ${folder}`);
    }
    case 'tag':
      return good(trans.__('Named:'), (result as BuildResult).image.names.join(', '));
    case 'validate':
      return good(trans.__('Sound:'), trans.__('Every digest is what it says.'));
    case 'scale':
      return good(trans.__('Scaled:'), trans.__('As many pods as you asked for are ready.'));
    case 'update':
      return good(trans.__('Updated:'), trans.__('Every pod serves %1.', (result as BuildResult).image.names[0] ?? ''));
    case 'rollback':
      return good(trans.__('Rolled back:'), trans.__('Every pod serves what it served before.'));
    case 'gc':
      return good(trans.__('Freed:'), bytes((result as GcResult).freed.size_bytes));
    case 'run':
    case 'verify': {
      const { run, verdict } = result as BuildResult;
      return (
        <>
          {verdict ? <VerdictView {...props} verdict={verdict} /> : null}
          {run ? <Ran {...props} run={run} judged={!!verdict} /> : null}
        </>
      );
    }
    default:
      return null;
  }
}
