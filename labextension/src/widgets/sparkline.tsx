/** A small curve of the last values, with the newest in words. */

import * as React from 'react';

const WIDTH = 120;
const HEIGHT = 24;

/** Return the points of a curve that fills the box, the newest at the right. */
export function points(values: readonly number[]): string {
  const most = Math.max(...values, 1e-9);
  const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
  return values
    .map((value, index) => `${(index * step).toFixed(1)},${(HEIGHT - (value / most) * HEIGHT).toFixed(1)}`)
    .join(' ');
}

export function Sparkline(props: { label: string; values: readonly number[] }): React.ReactElement {
  return (
    <figure className="jp-Containerize-sparkline">
      <svg
        height={HEIGHT}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <polyline points={points(props.values)} />
      </svg>
      <figcaption>{props.label}</figcaption>
    </figure>
  );
}
