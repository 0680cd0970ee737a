/** All images of the store, whoever built them, and one of them in full. */

import * as React from 'react';
import { clusterOf, type Answers } from '../choices';
import { age, bytes } from '../format';
import type { Difference, ImageRow, Plan } from '../types';
import { isLive } from '../work';
import { WorksAbout } from './about';
import { ChangesList } from './changes';
import { Button, Empty, useModel, useNow, type ViewProps } from './common';
import { Contents } from './contents';
import { deleteImage, exportImage, nameImage, pushImage } from './imagedialogs';
import { OptionsForm } from './options';
import { VirtualList } from './virtual';

const ROW_HEIGHT = 48;
const MOST_HEIGHT = 4.5 * ROW_HEIGHT;
/** What is chosen for notebooks and in the cluster's view. */
const SHOWN = ['--runtime', '--context', '--namespace', '--registry'];

export function ImagesView(props: ViewProps): React.ReactElement {
  const { model, trans } = props;
  useModel(model);
  const now = useNow(true, 30_000);
  const { images } = model.lists;
  if (images === null) {
    return <Empty what={trans.__('Looking …')} />;
  }
  const selected = images.find(image => image.digest === model.selectedImage) ?? images[0];
  return (
    <div className="jp-Containerize-view">
      {selected === undefined ? (
        <Empty what={trans.__('There is no image yet. Build one from a notebook: one click above.')} />
      ) : (
        <>
          <p className="jp-Containerize-dim">{trans._n('%1 image', '%1 images', images.length)}</p>
          <VirtualList
            rows={images.length}
            rowHeight={ROW_HEIGHT}
            height={MOST_HEIGHT}
            label={trans.__('Images')}
            render={index => {
              const image = images[index];
              return image ? (
                <ImageItem {...props} image={image} now={now} chosen={image === selected} />
              ) : null;
            }}
          />
          <ImageDetail key={selected.digest} {...props} image={selected} images={images} />
        </>
      )}
      <fieldset>
        <legend>{trans.__('Disk space')}</legend>
        <Button
          label={trans.__('Free disk space')}
          title={trans.__('Remove what no image and no run needs')}
          name="gc"
          onClick={() => void model.command('gc', '', {}, trans.__('Free disk space'))}
        />
        <WorksAbout {...props} thing="" />
      </fieldset>
    </div>
  );
}

export function nameOf(image: ImageRow): string {
  return image.names[0] ?? image.id;
}

function ImageItem(
  props: ViewProps & { image: ImageRow; now: number; chosen: boolean }
): React.ReactElement {
  const { image, now, chosen, model, trans } = props;
  const verdicts: Record<string, string> = {
    verified: trans.__('verified'),
    failed: trans.__('not verified'),
    unproven: trans.__('not proven'),
    static: trans.__('static')
  };
  const works = model.works.about(image.digest);
  const facts = [
    ...(works.some(isLive) ? [trans.__('working …')] : []),
    ...(works.some(work => !isLive(work) && work.progress.problem) ? [trans.__('an error')] : []),
    bytes(image.size_bytes),
    age(image.built_at, now),
    ...(image.shared_bytes ? [trans.__('%1 shared', bytes(image.shared_bytes))] : [])
  ];
  return (
    <button
      type="button"
      className={`jp-Containerize-item jp-Containerize-pick ${chosen ? 'jp-mod-chosen' : ''}`}
      aria-pressed={chosen}
      data-image={image.digest}
      title={`${image.names.join(', ')}\n${image.digest}`}
      onClick={() => {
        model.selectedImage = image.digest;
        model.alter();
      }}
    >
      <span>
        <strong className="jp-Containerize-cut">{nameOf(image)}</strong>
        {image.verdict ? (
          <span className={`jp-Containerize-badge jp-mod-${image.verdict}`}>
            {verdicts[image.verdict] ?? image.verdict}
          </span>
        ) : null}
      </span>
      <span className="jp-Containerize-dim">{facts.join(' · ')}</span>
    </button>
  );
}

interface Selected extends ViewProps {
  image: ImageRow;
  images: readonly ImageRow[];
}

function ImageDetail(props: Selected): React.ReactElement {
  const { image, model, trans } = props;
  const name = nameOf(image);
  const live = new Set(model.works.about(image.digest).filter(isLive).map(work => work.command));
  const cluster = clusterOf(model.choices);
  const [answers, setAnswers] = React.useState<Answers>({});
  const act = (command: string, options: object, title: string): void =>
    void model.command(command, image.digest, { image: image.digest, ...options }, title, answers);
  return (
    <section className="jp-Containerize-detail" aria-label={trans.__('Image %1', name)}>
      <h4 className="jp-Containerize-cut">{name}</h4>
      <div className="jp-Containerize-actions">
        <Button
          label={trans.__('Run')}
          name="image-run"
          disabled={live.has('run')}
          onClick={() =>
            act(
              'run',
              { detach: true, runtime: model.choices.runtime, options: { cluster } },
              trans.__('Run %1', name)
            )
          }
        />
        <Button
          label={trans.__('Verify')}
          name="image-verify"
          disabled={live.has('verify')}
          onClick={() => act('verify', {}, trans.__('Verify %1', name))}
        />
        {model.can('push') ? (
          <Button
            label={trans.__('Push')}
            name="image-push"
            disabled={live.has('push')}
            onClick={() => void pushImage(props, name, options => act('push', options, trans.__('Push %1', name)))}
          />
        ) : null}
        {model.can('export') ? (
          <Button
            label={trans.__('Export')}
            name="image-export"
            disabled={live.has('export')}
            onClick={() =>
              void exportImage(props, name, form =>
                act('export', form, trans.__('Export %1', name))
              )
            }
          />
        ) : null}
        <Button
          label={trans.__('Name')}
          title={trans.__('Give it a further name')}
          name="image-name"
          onClick={() => void nameImage(props, name, further => act('tag', { name: further }, trans.__('Name %1', name)))}
        />
        <Button
          label={trans.__('Check')}
          title={trans.__('Recompute every digest of it')}
          name="image-check"
          disabled={live.has('validate')}
          onClick={() => act('validate', {}, trans.__('Check %1', name))}
        />
        <Button label={trans.__('Delete')} name="image-delete" danger onClick={() => void deleteImage(props, image, name)} />
      </div>
      <WorksAbout {...props} thing={image.digest} />
      <OptionsForm
        {...props}
        fields={(model.lists.forms?.run ?? []).filter(
          field => !SHOWN.includes(field.option) && (field.part !== 'cluster' || model.choices.runtime === 'kubernetes')
        )}
        answers={answers}
        answer={some => setAnswers({ ...answers, ...some })}
      />
      <Inside {...props} />
      <Compare {...props} />
    </section>
  );
}

/** What the image holds and why, once somebody wants to know. */
function Inside(props: Selected): React.ReactElement {
  const { image, model, trans } = props;
  const [plan, setPlan] = React.useState<Partial<Plan> | null>(null);
  const [looking, setLooking] = React.useState(false);
  const look = async (): Promise<void> => {
    setLooking(true);
    const found = await model.lists.attempt(() => model.client.get<Partial<Plan>>(['images', image.digest]));
    setLooking(false);
    setPlan(found ?? null);
  };
  return (
    <details
      data-code="inside"
      onToggle={event => {
        if (event.currentTarget.open && plan === null) {
          void look();
        }
      }}
    >
      <summary>{trans.__('What is in it')}</summary>
      {plan?.packages ? <Contents {...props} plan={plan as Plan} /> : null}
      {plan && !plan.packages ? (
        <p className="jp-Containerize-dim">{trans.__('It was made by something else, which left no list.')}</p>
      ) : null}
      {looking ? <p className="jp-Containerize-dim">{trans.__('Looking …')}</p> : null}
    </details>
  );
}

/** What changed from another image to this one. */
function Compare(props: Selected): React.ReactElement | null {
  const { image, images, model, trans } = props;
  const others = images.filter(one => one.digest !== image.digest);
  const [old, setOld] = React.useState('');
  const [difference, setDifference] = React.useState<Difference | null>(null);
  if (others.length === 0) {
    return null;
  }
  const compare = async (digest: string): Promise<void> => {
    setOld(digest);
    setDifference(null);
    if (digest) {
      const found = await model.lists.attempt(() =>
        model.client.get<Difference>(['images', digest, 'compare', image.digest])
      );
      setDifference(found ?? null);
    }
  };
  return (
    <section aria-label={trans.__('Comparison')} className="jp-Containerize-compared">
      <label className="jp-Containerize-parameter">
        <span>{trans.__('Compare with')}</span>
        <select value={old} onChange={event => void compare(event.target.value)}>
          <option value="">{trans.__('choose an image')}</option>
          {others.map(one => (
            <option key={one.digest} value={one.digest}>
              {one.names[0] ? `${one.names[0]} (${one.id})` : one.id}
            </option>
          ))}
        </select>
      </label>
      {difference ? (
        <>
          <p className="jp-Containerize-dim">
            {trans.__('What changed from it to this one; %1 in new layers.', bytes(difference.new_bytes))}
          </p>
          <ChangesList {...props} changes={difference} />
        </>
      ) : null}
    </section>
  );
}
