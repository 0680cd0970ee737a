/** What can be done with a run in a cluster: a service is scaled, updated, rolled back; outputs are fetched. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import * as React from 'react';
import type { ImageRow, RunRow } from '../types';
import { isLive as isGoingOn } from '../work';
import { Button, type ViewProps } from './common';
import { nameOf } from './images';

export function ClusterActions(
  props: ViewProps & { run: RunRow; outputs: number }
): React.ReactElement {
  const { run, outputs, model, trans } = props;
  const busy = model.works.about(run.id).some(isGoingOn);
  const act = (command: string, options: object, title: string): void =>
    void model.command(command, run.id, { run: run.id, ...options }, title);
  if (!run.endpoint) {
    const ended = ['succeeded', 'failed', 'stopped'].includes(run.state);
    return ended && outputs === 0 ? (
      <div className="jp-Containerize-actions">
        <Button
          label={trans.__('Fetch outputs')}
          name="fetch-outputs"
          disabled={busy}
          onClick={() => act('outputs', {}, trans.__('Fetch outputs of %1', run.id))}
        />
      </div>
    ) : (
      <></>
    );
  }
  return (
    <div className="jp-Containerize-actions">
      <Button
        label={trans.__('Scale')}
        name="scale"
        disabled={busy}
        onClick={() => void scale(props, replicas => act('scale', { replicas }, trans.__('Scale %1', run.id)))}
      />
      <Button
        label={trans.__('Update')}
        name="update"
        title={trans.__('Serve another image without losing a request')}
        disabled={busy}
        onClick={() => void update(props, image => act('update', { image }, trans.__('Update %1', run.id)))}
      />
      <Button
        label={trans.__('Roll back')}
        name="rollback"
        disabled={busy}
        onClick={() => void rollBack(props, () => act('rollback', {}, trans.__('Roll back %1', run.id)))}
      />
    </div>
  );
}

async function scale(props: ViewProps & { run: RunRow }, to: (replicas: number) => void): Promise<void> {
  const { run, trans } = props;
  const answer = await InputDialog.getNumber({
    title: trans.__('Scale %1', run.id),
    label: trans.__('How many pods?')
  });
  if (answer.button.accept && answer.value !== null && answer.value >= 1) {
    to(Math.round(answer.value));
  }
}

async function update(props: ViewProps & { run: RunRow }, to: (image: string) => void): Promise<void> {
  const { run, model, trans } = props;
  await model.lists.refresh('images');
  const images = new Map<string, ImageRow>(
    (model.lists.images ?? [])
      .filter(image => image.kind === 'inference')
      .map(image => [`${nameOf(image)} (${image.id})`, image])
  );
  const answer = await InputDialog.getItem({
    title: trans.__('Update %1', run.id),
    label: trans.__('Which image shall every pod serve?'),
    items: [...images.keys()]
  });
  const image = answer.button.accept && answer.value !== null ? images.get(answer.value) : undefined;
  if (image) {
    to(image.digest);
  }
}

async function rollBack(props: ViewProps & { run: RunRow }, go: () => void): Promise<void> {
  const { run, trans } = props;
  const answer = await showDialog({
    title: trans.__('Roll back %1?', run.id),
    body: trans.__('Every pod serves again what it served before.'),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Roll back') })]
  });
  if (answer.button.accept) {
    go();
  }
}
