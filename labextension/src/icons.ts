/** The panel's icon: a container on which a notebook's mark is painted. */

import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">
<g class="jp-icon3" fill="#616161"><path d="M8 .8 14.6 4v8L8 15.2 1.4 12V4zm0 1.5L3.7 4.4 8 6.5l4.3-2.1zM2.7 5.4v5.8l4.6 2.2V7.6zm10.6 0L8.7 7.6v5.8l4.6-2.2z"/></g>
</svg>`;

export const containerIcon = new LabIcon({ name: 'jupyter-containerize:container', svgstr: SVG });
