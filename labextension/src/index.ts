/** The plugins. */

import { commands } from './plugins/commands';
import { panel } from './plugins/panel';
import { status } from './plugins/status';

export * from './tokens';
export default [panel, commands, status];
