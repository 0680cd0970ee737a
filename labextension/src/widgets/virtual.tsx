/** A list of any length of which only the rows in sight are in the document. */

import * as React from 'react';

/** Browsers draw elements up to some 16 million pixels high; beyond, the scroll bar is scaled. */
export const MOST_PIXELS = 8_000_000;
const MARGIN_ROWS = 6;
const MOST_ROWS = 150;

export interface Window {
  first: number;
  count: number;
  /** Where the first row is drawn, in pixels from the list's top. */
  top: number;
}

/** Return the rows to draw for a scroll position. */
export function windowAt(
  scrollTop: number,
  viewHeight: number,
  rowHeight: number,
  rows: number
): Window {
  const full = rows * rowHeight;
  const shown = Math.min(full, MOST_PIXELS);
  const inSight = Math.min(Math.ceil(viewHeight / rowHeight) + 1, MOST_ROWS - 2 * MARGIN_ROWS);
  const scrollable = Math.max(1, shown - viewHeight);
  const share = Math.min(1, Math.max(0, scrollTop / scrollable));
  const exact = full <= MOST_PIXELS ? scrollTop / rowHeight : share * (rows - viewHeight / rowHeight);
  const firstInSight = Math.max(0, Math.min(Math.floor(exact), rows - 1));
  const first = Math.max(0, firstInSight - MARGIN_ROWS);
  const count = Math.max(0, Math.min(rows - first, inSight + 2 * MARGIN_ROWS));
  const offset = (exact - first) * rowHeight;
  return { first, count, top: Math.max(0, scrollTop - offset) };
}

/** Return the scroll position at which a row is in the middle. */
export function scrollFor(row: number, viewHeight: number, rowHeight: number, rows: number): number {
  const full = rows * rowHeight;
  const shown = Math.min(full, MOST_PIXELS);
  const wanted = row - viewHeight / rowHeight / 2;
  if (full <= MOST_PIXELS) {
    return Math.max(0, wanted * rowHeight);
  }
  return Math.max(0, (wanted / (rows - viewHeight / rowHeight)) * (shown - viewHeight));
}

export interface VirtualListProps {
  rows: number;
  rowHeight: number;
  /** At most this high; less with few rows. */
  height: number;
  label: string;
  render: (row: number) => React.ReactNode;
  /** What assistive technology takes the list and its rows for. */
  role?: 'list' | 'log';
  onWindow?: (first: number, count: number) => void;
  className?: string;
  scrollTo?: { row: number; at: number } | null;
  onScroll?: (atEnd: boolean) => void;
}

export function VirtualList(props: VirtualListProps): React.ReactElement {
  const { rows, rowHeight, height, onWindow } = props;
  const element = React.useRef<HTMLDivElement>(null);
  const [scrollTop, setScrollTop] = React.useState(0);
  const viewHeight = Math.min(height, Math.max(rowHeight, rows * rowHeight) + 2);
  const shown = windowAt(scrollTop, viewHeight, rowHeight, rows);
  const total = Math.min(rows * rowHeight, MOST_PIXELS);

  React.useEffect(() => onWindow?.(shown.first, shown.count), [onWindow, shown.first, shown.count]);

  const target = props.scrollTo;
  React.useLayoutEffect(() => {
    if (element.current && target) {
      element.current.scrollTop = scrollFor(target.row, viewHeight, rowHeight, rows);
    }
    // Only a new wish moves the list, not a list that grew.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [target]);

  const drawn = [];
  for (let row = shown.first; row < shown.first + shown.count; row += 1) {
    drawn.push(
      <div
        key={row}
        className="jp-Containerize-row"
        style={{ height: rowHeight }}
        role={props.role === 'log' ? undefined : 'listitem'}
        aria-setsize={props.role === 'log' ? undefined : rows}
        aria-posinset={props.role === 'log' ? undefined : row + 1}
      >
        {props.render(row)}
      </div>
    );
  }
  return (
    <div
      ref={element}
      className={`jp-Containerize-list ${props.className ?? ''}`}
      style={{ height: viewHeight }}
      role="region"
      aria-label={props.label}
      tabIndex={0}
      onScroll={event => {
        const at = event.currentTarget;
        setScrollTop(at.scrollTop);
        props.onScroll?.(at.scrollTop + at.clientHeight >= at.scrollHeight - 2 * rowHeight);
      }}
    >
      <div style={{ height: total, position: 'relative' }}>
        <div
          style={{ position: 'absolute', top: shown.top, left: 0, right: 0 }}
          role={props.role === 'log' ? undefined : 'list'}
        >
          {drawn}
        </div>
      </div>
    </div>
  );
}
