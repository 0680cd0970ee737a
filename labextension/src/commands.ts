/** The commands' names, in one place. */

export namespace CommandIDs {
  export const show = 'containerize:show';
  export const build = 'containerize:build';
  export const plan = 'containerize:plan';
  export const cancel = 'containerize:cancel';
  export const openExecuted = 'containerize:open-executed';
  export const tag = 'containerize:tag';
  export const tagMenu = 'containerize:tag-menu';
}

/** Tags that mean something to us, in the order in which the menu has them. */
export const TAGS = ['parameters', 'serve', 'skip', 'nondeterministic'] as const;
