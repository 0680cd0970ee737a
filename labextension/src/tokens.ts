/** What other plugins may use of the panel. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { Work } from './work';

/** The panel's model: what is in front, what is going on, and how to start things. */
export interface IContainerize {
  /** The notebook in front, if any. */
  readonly notebook: NotebookPanel | null;

  /** What goes on or went on last for the notebook in front. */
  readonly work: Work | null;

  /** Emits whenever anything that can be seen here changed. */
  readonly changed: ISignal<IContainerize, void>;

  /** Build the notebook in front; then run and verify it, as the settings say. */
  build(): Promise<void>;

  /** Find out what would go into an image of the notebook in front. */
  plan(): Promise<void>;

  /** Stop what goes on for the notebook in front. */
  cancel(): Promise<void>;
}

export const IContainerize = new Token<IContainerize>(
  'jupyter-containerize:IContainerize',
  'Builds and runs container images of notebooks.'
);
