/** A request to a served model, through the server: the browser may not reach its port. */

import * as React from 'react';
import type { RunRow } from '../types';
import { Button, ProblemNotice, type ViewProps } from './common';
import type { Problem } from '../types';
import { problemIn } from '../work';

interface Answer {
  status: number;
  milliseconds: number;
  body: string;
}

export function TryIt(props: ViewProps & { run: RunRow }): React.ReactElement {
  const { run, model, trans } = props;
  const [body, setBody] = React.useState('');
  const [answer, setAnswer] = React.useState<Answer | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  React.useEffect(() => {
    void model.client
      .get<{ example: unknown }>(['runs', run.id, 'example'])
      .then(({ example }) => setBody(JSON.stringify(example ?? { rows: [] }, null, 1)))
      .catch(() => setBody('{"rows": []}'));
  }, [model, run.id]);
  const send = async (): Promise<void> => {
    try {
      setProblem(null);
      setAnswer(await model.client.post<Answer>(['runs', run.id, 'predict'], { body }));
    } catch (error) {
      setProblem(problemIn(error, trans));
    }
  };
  return (
    <form
      className="jp-Containerize-try"
      aria-label={trans.__('Try it')}
      onSubmit={event => {
        event.preventDefault();
        void send();
      }}
    >
      <label>
        <span>{trans.__('A request to /predict, as JSON')}</span>
        <textarea rows={5} value={body} spellCheck={false} onChange={event => setBody(event.target.value)} />
      </label>
      <div className="jp-Containerize-actions">
        <Button label={trans.__('Send')} name="predict" primary onClick={() => void send()} />
      </div>
      {problem ? <ProblemNotice problem={problem} trans={trans} /> : null}
      {answer ? (
        <div role="status">
          <p className="jp-Containerize-dim">
            {trans.__('HTTP %1 after %2 ms', answer.status, answer.milliseconds)}
          </p>
          <pre className="jp-Containerize-log" tabIndex={0} role="region" aria-label={trans.__('Answer')}>
            {answer.body}
          </pre>
        </div>
      ) : null}
    </form>
  );
}
