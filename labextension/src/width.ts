/** Gives the panel room to read where JupyterLab opens it as narrow as its side areas can be. */

import { SplitPanel, type SplitLayout, type Widget } from '@lumino/widgets';

export const COMFORTABLE_PX = 340;
/**
 * Move the edge of the side area that a widget is in until the widget is comfortably wide, or as wide as
 * what is on the other side of the edge.
 *
 * As if the user had dragged it: the width is kept with the layout, and can be made smaller again.
 */
export function widen(widget: Widget, wantedPx = COMFORTABLE_PX): void {
  let area = widget;
  while (area.parent !== null && !isColumns(area.parent)) {
    area = area.parent;
  }
  const columns = area.parent;
  if (columns === null || !isColumns(columns)) {
    return;
  }
  const index = columns.widgets.indexOf(area);
  const edge = index === 0 ? 0 : index - 1;
  const beside = columns.widgets[index === 0 ? 1 : edge]?.node.offsetWidth ?? 0;
  const width = widget.node.offsetWidth;
  const missing = Math.min(wantedPx - width, (beside - width) / 2);
  if (width === 0 || missing <= 0) {
    return; // not shown, or wide enough
  }
  const handle = columns.handles[edge];
  if (handle !== undefined) {
    const to = handle.offsetLeft + (index === 0 ? missing : -missing);
    (columns.layout as SplitLayout).moveHandle(edge, to);
  }
}

function isColumns(widget: Widget): widget is SplitPanel {
  return widget instanceof SplitPanel && widget.orientation === 'horizontal';
}
