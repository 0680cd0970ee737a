/** All images of the store, whoever built them. */

import { showDialog, Dialog, InputDialog } from '@jupyterlab/apputils';
import * as React from 'react';
import { age, bytes } from '../format';
import type { Difference, ImageRow } from '../types';
import { Button, Empty, useModel, useNow, type ViewProps } from './common';
import { VirtualList } from './virtual';

const ROW_HEIGHT = 106;

export function ImagesView(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  const [old, setOld] = React.useState<ImageRow | null>(null);
  const [difference, setDifference] = React.useState<Difference | null>(null);
  const now = useNow(true, 30_000);
  const { images } = model;
  if (images === null) {
    return <Empty what={trans.__('Looking …')} />;
  }
  if (images.length === 0) {
    return (
      <Empty what={trans.__('There is no image yet. Build one from a notebook: one click above.')} />
    );
  }
  const compare = async (image: ImageRow): Promise<void> => {
    if (old === null) {
      setOld(image);
      return;
    }
    const found = await model.attempt(() =>
      model.client.get<Difference>(['images', old.digest, 'compare', image.digest])
    );
    setDifference(found ?? null);
    setOld(null);
  };
  return (
    <div className="jp-Containerize-view">
      <p className="jp-Containerize-dim">
        {trans._n('%1 image', '%1 images', images.length)}
        {old ? ` · ${trans.__('Choose the image to compare %1 with.', nameOf(old))}` : ''}
      </p>
      <VirtualList
        rows={images.length}
        rowHeight={ROW_HEIGHT}
        height={520}
        label={trans.__('Images')}
        render={index => {
          const image = images[index];
          return image ? (
            <ImageItem {...props} image={image} now={now} onCompare={() => void compare(image)} />
          ) : null;
        }}
      />
      {difference ? <Compared {...props} difference={difference} /> : null}
      <div className="jp-Containerize-actions">
        <Button
          label={trans.__('Free disk space')}
          title={trans.__('Remove what no image and no run needs')}
          onClick={() => void model.command('gc', {}, trans.__('Free disk space'))}
        />
      </div>
    </div>
  );
}

export function nameOf(image: ImageRow): string {
  return image.names[0] ?? image.id;
}

function ImageItem(
  props: ViewProps & { image: ImageRow; now: number; onCompare: () => void }
): React.ReactElement {
  const { image, now, model, trans, onCompare } = props;
  const name = nameOf(image);
  const verdicts: Record<string, string> = {
    verified: trans.__('verified'),
    failed: trans.__('not verified'),
    unproven: trans.__('not proven'),
    static: trans.__('static')
  };
  const facts = [
    bytes(image.size_bytes),
    age(image.built_at, now),
    ...(image.shared_bytes ? [trans.__('%1 shared', bytes(image.shared_bytes))] : [])
  ];
  return (
    <div className="jp-Containerize-item" data-image={image.digest}>
      <div>
        <strong className="jp-Containerize-cut" title={image.digest}>
          {name}
        </strong>
        {image.verdict ? (
          <span className={`jp-Containerize-badge jp-mod-${image.verdict}`}>
            {verdicts[image.verdict] ?? image.verdict}
          </span>
        ) : null}
      </div>
      <div className="jp-Containerize-dim">{facts.join(' · ')}</div>
      <div className="jp-Containerize-actions">
        <Button
          label={trans.__('Run')}
          title={trans.__('Run %1', name)}
          onClick={() =>
            void model.command('run', { image: image.digest, detach: true }, trans.__('Run %1', name))
          }
        />
        <Button
          label={trans.__('Verify')}
          title={trans.__('Verify %1', name)}
          onClick={() => void model.command('verify', { image: image.digest }, trans.__('Verify %1', name))}
        />
        {model.can('push') ? (
          <Button label={trans.__('Push')} onClick={() => void push(props)} />
        ) : null}
        {model.can('export') ? (
          <Button label={trans.__('Export')} onClick={() => void exportTo(props)} />
        ) : null}
        <Button
          label={trans.__('Compare')}
          title={trans.__('Compare %1 with another', name)}
          onClick={onCompare}
        />
        <Button
          label={trans.__('Delete')}
          title={trans.__('Delete %1', name)}
          danger
          onClick={() => void remove(props)}
        />
      </div>
    </div>
  );
}

async function remove(props: ViewProps & { image: ImageRow }): Promise<void> {
  const { image, model, trans } = props;
  const answer = await showDialog({
    title: trans.__('Delete %1?', nameOf(image)),
    body: trans.__('What other images share with it stays.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })]
  });
  if (answer.button.accept) {
    await model.delete('images', image.digest);
  }
}

async function push(props: ViewProps & { image: ImageRow }): Promise<void> {
  const { image, model, trans } = props;
  const answer = await InputDialog.getText({
    title: trans.__('Push %1', nameOf(image)),
    label: trans.__('To which registry and name?'),
    placeholder: 'registry.example.org/team/name:tag'
  });
  if (answer.button.accept && answer.value) {
    await model.command(
      'push',
      { image: image.digest, reference: answer.value },
      trans.__('Push %1', nameOf(image))
    );
  }
}

/** Write what runs the image without us: a Dockerfile, or what a cluster is given. */
async function exportTo(props: ViewProps & { image: ImageRow }): Promise<void> {
  const { image, model, trans } = props;
  const title = trans.__('Export %1', nameOf(image));
  const forms: Record<string, object> = {
    [trans.__('A Dockerfile with what it needs')]: { dockerfile: true },
    [trans.__('Manifests for a cluster')]: {},
    [trans.__('A Helm chart')]: { helm: true }
  };
  const form = await InputDialog.getItem({ title, label: trans.__('As what?'), items: Object.keys(forms) });
  if (!form.button.accept || form.value === null) {
    return;
  }
  const folder = await InputDialog.getText({
    title,
    label: trans.__('Into which new folder, seen from the server’s folder?'),
    text: nameOf(image).replace(/[^\w.-]+/g, '-')
  });
  if (folder.button.accept && folder.value) {
    const options = { image: image.digest, output: folder.value, ...forms[form.value] };
    await model.command('export', options, title);
  }
}

function Compared(props: ViewProps & { difference: Difference }): React.ReactElement {
  const { difference, trans } = props;
  const changes = [...difference.packages, ...difference.files];
  return (
    <section aria-label={trans.__('Comparison')} className="jp-Containerize-compared">
      <p>
        {trans.__('%1 in new layers: %2', bytes(difference.new_bytes), difference.layers.map(layer => layer.title).join(', ') || '–')}
      </p>
      <ul>
        {changes.map(change => (
          <li key={change.name}>
            {change.name}: {change.old || trans.__('absent')} → {change.new || trans.__('absent')}
          </li>
        ))}
        {difference.cells.map(cell => (
          <li key={`cell-${cell.number}`}>
            {trans.__('Cell %1: %2', cell.number, cell.change)}
            <pre>{cell.lines.join('\n')}</pre>
          </li>
        ))}
      </ul>
      {changes.length + difference.cells.length === 0 ? <p>{trans.__('They hold the same.')}</p> : null}
    </section>
  );
}
