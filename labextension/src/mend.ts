/** Does what a remedy says, then goes on with what had failed. */

import { InputDialog } from '@jupyterlab/apputils';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { codeCell, insertCell, setTag, showCell } from './cells';
import { reconnect, revive } from './kernel';
import type { ContainerizeModel } from './model';
import type { Remedy } from './remedies';
import type { BuildResult } from './types';
import type { Work } from './work';

export async function mend(
  remedy: Remedy,
  model: ContainerizeModel,
  commands: CommandRegistry,
  trans: TranslationBundle
): Promise<void> {
  const panel = model.notebook;
  if (panel === null) {
    return;
  }
  if (remedy.is === 'show-cell') {
    await showCell(panel, remedy.cell);
  } else if (remedy.is === 'install') {
    // To be run by hand, and then the kernel is to be restarted: what is loaded stays loaded.
    await insertCell(panel, `%pip install ${remedy.words}`, 'skip');
  } else if (remedy.is === 'reconnect') {
    reconnect(panel.sessionContext);
  } else if (remedy.is === 'choose-kernel') {
    await commands.execute('notebook:change-kernel');
  } else if (remedy.is === 'new-kernel') {
    await again(model, true);
  } else if (model.apply(remedy) || (await done(remedy, panel, model, commands, trans))) {
    await again(model);
  }
}

/** Do what is no choice; return false when the user thought better of it. */
async function done(
  remedy: Remedy,
  panel: NotebookPanel,
  model: ContainerizeModel,
  commands: CommandRegistry,
  trans: TranslationBundle
): Promise<boolean> {
  switch (remedy.is) {
    case 'tag':
      for (const number of remedy.cells) {
        const cell = codeCell(panel, number);
        if (cell !== null) {
          setTag(cell, remedy.tag, true);
        }
      }
      return true;
    case 'variable':
      return setVariable(remedy.name, model, trans);
    case 'save':
      await panel.context.save();
      return true;
    case 'run-cell':
      await showCell(panel, remedy.cell);
      return NotebookActions.run(panel.content, panel.sessionContext);
    case 'rerun':
      if (await revive(panel.sessionContext)) {
        return NotebookActions.runAll(panel.content, panel.sessionContext);
      }
      return (await commands.execute('notebook:restart-run-all')) !== false;
    default:
      return true;
  }
}

/** Ask for a variable's value: it may be a secret, and only runs get it. */
async function setVariable(
  name: string,
  model: ContainerizeModel,
  trans: TranslationBundle
): Promise<boolean> {
  const answer = await InputDialog.getPassword({
    title: trans.__('Set %1', name),
    label: trans.__('Its value for runs of this notebook; the image does not get it.')
  });
  if (!answer.button.accept || !answer.value) {
    return false;
  }
  model.choose({ variables: { ...model.choices.variables, [name]: answer.value } });
  return true;
}

/** Plan again, or build again: what is on show, else what failed. */
async function again(model: ContainerizeModel, anew = false): Promise<void> {
  if (model.view === 'notebook' && model.planning !== null) {
    await model.plan(anew);
  } else if (failed(model.work)) {
    await model.build(anew);
  } else if (model.planning !== null) {
    await model.plan(anew);
  }
}

export function failed(work: Work | null): boolean {
  if (work === null || work.phase !== 'ended') {
    return false;
  }
  const result = work.progress.result as BuildResult | null;
  return work.progress.problem !== null || result?.verdict?.state === 'failed';
}
