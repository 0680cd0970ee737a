/** Build and run: one button, where to run, progress, the result with its proof. */

import * as React from 'react';
import { ofProblem } from '../remedies';
import type { BuildResult } from '../types';
import { Remedies, useModel, type ViewProps } from './common';
import { ChoicesForm } from './choices';
import { Built } from './outcome';
import { WorkView } from './work';

export function BuildView(props: ViewProps): React.ReactElement {
  const { model, trans, mend } = props;
  useModel(model);
  const { work } = model;
  const result = work?.progress.result as BuildResult | null | undefined;
  return (
    <div className="jp-Containerize-view">
      {work ? (
        <WorkView
          {...props}
          work={work}
          outcome={result ? <Built {...props} result={result} /> : null}
          remedies={problem => <Remedies remedies={ofProblem(problem)} trans={trans} mend={mend} />}
        />
      ) : (
        <p className="jp-Containerize-hint">
          {trans.__(
            'One click builds an image from what the kernel has loaded, runs it, and compares its outputs with the notebook’s.'
          )}
        </p>
      )}
      <ChoicesForm {...props} />
    </div>
  );
}
