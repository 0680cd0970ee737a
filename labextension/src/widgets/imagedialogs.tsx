/** What is asked before an image is pushed, exported or deleted. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import { clusterOf } from '../choices';
import type { ImageRow } from '../types';
import type { ViewProps } from './common';

export async function deleteImage(props: ViewProps, image: ImageRow, name: string): Promise<void> {
  const { model, trans } = props;
  const answer = await showDialog({
    title: trans.__('Delete %1?', name),
    body: trans.__('What other images share with it stays.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })]
  });
  if (answer.button.accept) {
    await model.lists.delete('images', image.digest);
  }
}

export async function nameImage(
  props: ViewProps,
  name: string,
  give: (further: string) => void
): Promise<void> {
  const { trans } = props;
  const answer = await InputDialog.getText({
    title: trans.__('Name %1', name),
    label: trans.__('What further name and tag?'),
    placeholder: trans.__('name:tag')
  });
  if (answer.button.accept && answer.value) {
    give(answer.value.trim());
  }
}

export async function pushImage(
  props: ViewProps,
  name: string,
  push: (options: object) => void
): Promise<void> {
  const { trans } = props;
  const answer = await InputDialog.getText({
    title: trans.__('Push %1', name),
    label: trans.__('To which registry and name?'),
    placeholder: 'registry.example.org/team/name:tag'
  });
  if (answer.button.accept && answer.value) {
    push({ reference: answer.value.trim() });
  }
}

/** Ask in which form what runs the image without us is to be written: a Dockerfile, or for a cluster. */
export async function exportImage(
  props: ViewProps,
  name: string,
  write: (options: object) => void
): Promise<void> {
  const { model, trans } = props;
  const title = trans.__('Export %1', name);
  const forms: Record<string, object> = {
    [trans.__('A Dockerfile with what it needs')]: { dockerfile: true },
    [trans.__('Manifests for a cluster')]: {},
    [trans.__('A Helm chart')]: { helm: true }
  };
  const form = await InputDialog.getItem({ title, label: trans.__('As what?'), items: Object.keys(forms) });
  if (!form.button.accept || form.value === null) {
    return;
  }
  const { dockerfile } = forms[form.value] as { dockerfile?: boolean };
  let registry = model.choices.registry;
  if (!dockerfile) {
    const answer = await InputDialog.getText({
      title,
      label: trans.__('From which registry will the cluster take the image? It is pushed there.'),
      placeholder: 'registry.example.org/team',
      text: registry
    });
    if (!answer.button.accept) {
      return;
    }
    registry = answer.value?.trim() ?? '';
  }
  const folder = await InputDialog.getText({
    title,
    label: trans.__('Into which new folder, seen from the server’s folder?'),
    text: name.replace(/[^\w.-]+/g, '-')
  });
  if (folder.button.accept && folder.value) {
    const cluster = clusterOf({ ...model.choices, registry });
    write({ output: folder.value, ...forms[form.value], options: { cluster } });
  }
}
