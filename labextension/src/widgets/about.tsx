/** The jobs about one image, one run, or the whole store: each until it is dismissed. */

import * as React from 'react';
import { said } from '../said';
import { isLive } from '../work';
import { Button, type ViewProps } from './common';
import { Outcome } from './outcome';
import { WorkView } from './work';

export function WorksAbout(props: ViewProps & { thing: string }): React.ReactElement {
  const { thing, model, trans } = props;
  return (
    <>
      {model.works.about(thing).map(work => (
        <div key={work.command} className="jp-Containerize-about">
          <h4>{said(work.title)}</h4>
          <WorkView {...props} work={work} outcome={<Outcome {...props} work={work} />} />
          {isLive(work) ? null : (
            <div className="jp-Containerize-actions">
              <Button
                label={trans.__('Dismiss')}
                title={trans.__('Dismiss: %1', said(work.title))}
                onClick={() => void model.lists.attempt(() => model.works.forget(work))}
              />
            </div>
          )}
        </div>
      ))}
    </>
  );
}
