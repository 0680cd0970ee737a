/** The proof: one sentence when it holds; else both sides of each cell, the cause, and what mends it. */

import * as React from 'react';
import { ofVerdict } from '../remedies';
import { said } from '../said';
import type { CellVerdict, Verdict } from '../types';
import { Button, Notice, Remedies, type ViewProps } from './common';
import { differences } from '../differences';

export function VerdictView(
  props: ViewProps & {
    verdict: Verdict;
    /** It is about the notebook in front, so that cells can be shown and mended. */
    mendable?: boolean;
  }
): React.ReactElement {
  const { verdict, trans, model, mendable } = props;
  const bad = verdict.cells.filter(cell => ['different', 'failed', 'missing'].includes(cell.outcome));
  const unproven = verdict.cells.filter(cell => cell.outcome === 'unproven').map(cell => cell.number);
  const words = {
    verified: trans.__('Verified:'),
    failed: trans.__('Not verified:'),
    unproven: trans.__('Not proven:')
  };
  const tones = { verified: 'good', failed: 'error', unproven: 'warning' } as const;
  return (
    <>
      <Notice
        tone={tones[verdict.state]}
        label={words[verdict.state]}
        what={said(verdict.reason)}
        why={
          unproven.length > 0 && verdict.state === 'verified'
            ? trans._n(
                'Cell %2 has no output to compare.',
                'Cells %2 have no output to compare.',
                unproven.length,
                unproven.join(', ')
              )
            : ''
        }
        code={`verdict-${verdict.state}`}
      />
      {bad.map(cell => (
        <CellDifference key={cell.id} {...props} cell={cell} />
      ))}
      {mendable && bad.length > 0 ? (
        <div className="jp-Containerize-actions">
          <Button label={trans.__('Build and verify again')} name="retry" onClick={() => void model.build()} />
        </div>
      ) : null}
    </>
  );
}

function CellDifference(
  props: ViewProps & { cell: CellVerdict; mendable?: boolean }
): React.ReactElement {
  const { cell, trans, mend, mendable } = props;
  const outcomes = {
    equal: trans.__('is equal'),
    different: trans.__('gave something else'),
    unproven: trans.__('is not proven'),
    failed: trans.__('failed'),
    missing: trans.__('did not run')
  };
  const lines = differences(cell.expected, cell.actual);
  return (
    <section className="jp-Containerize-difference" data-cell={cell.number}>
      <h4>{trans.__('Cell %1 %2', cell.number, outcomes[cell.outcome])}</h4>
      {cell.detail && lines.length === 0 ? <p>{said(cell.detail)}</p> : null}
      {lines.length > 0 ? (
        <div
          className="jp-Containerize-sides"
          role="region"
          tabIndex={0}
          aria-label={trans.__('Outputs of cell %1, side by side', cell.number)}
        >
          <table>
            <thead>
              <tr>
                <th scope="col">{trans.__('In the notebook')}</th>
                <th scope="col">{trans.__('In the container')}</th>
              </tr>
            </thead>
            <tbody>
              {lines.map((line, index) => (
                <tr key={index} className={line.same ? '' : 'jp-mod-changed'}>
                  <td>{line.left}</td>
                  <td>{line.right}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {cell.cause ? (
        <p>
          <strong>{trans.__('Likely cause:')}</strong> {said(cell.cause)}
        </p>
      ) : null}
      {cell.fix ? <p className="jp-Containerize-fix">{said(cell.fix)}</p> : null}
      {mendable ? (
        <div className="jp-Containerize-actions">
          <Remedies remedies={ofVerdict(cell)} trans={trans} mend={mend} />
        </div>
      ) : null}
    </section>
  );
}
