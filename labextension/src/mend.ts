/** Does what a remedy says, then goes on with what had failed. */

import type { CommandRegistry } from '@lumino/commands';
import { codeCell, setTag, showCell } from './cells';
import type { ContainerizeModel } from './model';
import type { Work } from './work';
import type { Remedy } from './remedies';
import type { BuildResult } from './types';

export async function mend(
  remedy: Remedy,
  model: ContainerizeModel,
  commands: CommandRegistry
): Promise<void> {
  const panel = model.notebook;
  if (panel === null) {
    return;
  }
  if (remedy.is === 'show-cell') {
    await showCell(panel, remedy.cell);
    return;
  }
  if (!model.apply(remedy)) {
    if (remedy.is === 'tag') {
      const cell = codeCell(panel, remedy.cell);
      if (cell !== null) {
        setTag(cell, remedy.tag, true);
      }
    } else if (remedy.is === 'save') {
      await panel.context.save();
    } else if (remedy.is === 'rerun') {
      const ran: unknown = await commands.execute('notebook:restart-run-all');
      if (ran === false) {
        return; // the user thought better of it
      }
    }
  }
  await again(model);
}

/** Plan again, or build again, whichever failed or is on show. */
async function again(model: ContainerizeModel): Promise<void> {
  if (failed(model.work)) {
    await model.build();
  } else if (model.planning !== null) {
    await model.plan();
  }
}

export function failed(work: Work | null): boolean {
  if (work === null || work.phase !== 'ended') {
    return false;
  }
  const result = work.progress.result as BuildResult | null;
  return work.progress.problem !== null || result?.verdict?.state === 'failed';
}
