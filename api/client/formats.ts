/** How results are printed; a module of its own, which costs nothing to load. */
export const FORMATS = ['table', 'json', 'yaml', 'value'] as const;
export type Format = (typeof FORMATS)[number];
