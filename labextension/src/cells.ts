/** Cells by the number that findings give them: the place among the code cells, from 1. */

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

export function codeCell(panel: NotebookPanel, number: number): Cell | null {
  const cells = panel.content.widgets.filter(cell => cell.model.type === 'code');
  return cells[number - 1] ?? null;
}

export async function showCell(panel: NotebookPanel, number: number): Promise<void> {
  const cell = codeCell(panel, number);
  if (cell !== null) {
    panel.content.activeCellIndex = panel.content.widgets.indexOf(cell);
    await panel.content.scrollToItem(panel.content.activeCellIndex, 'center');
    panel.content.activate();
  }
}

export function tagsOf(cell: Cell): string[] {
  const tags: unknown = cell.model.getMetadata('tags');
  return Array.isArray(tags) ? tags.filter(tag => typeof tag === 'string') : [];
}

/** Give a cell a tag, or take it away; without `on`, whichever it is not. */
export function setTag(cell: Cell, tag: string, on?: boolean): void {
  const tags = tagsOf(cell);
  const has = tags.includes(tag);
  if (on === has) {
    return;
  }
  const next = has ? tags.filter(one => one !== tag) : [...tags, tag];
  if (next.length > 0) {
    cell.model.setMetadata('tags', next);
  } else {
    cell.model.deleteMetadata('tags');
  }
}

/** Put a code cell above all others, with a tag, and go to it. */
export async function insertCell(panel: NotebookPanel, source: string, tag: string): Promise<void> {
  const { model } = panel.content;
  if (model === null) {
    return;
  }
  model.sharedModel.insertCell(0, { cell_type: 'code', source, metadata: { tags: [tag] } });
  panel.content.activeCellIndex = 0;
  await panel.content.scrollToItem(0, 'center');
  panel.content.activate();
}
