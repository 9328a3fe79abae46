import { fileURLToPath } from 'node:url';

/** The build folder this file was compiled into, such as `<root>/dist/`. */
export const buildFolder = fileURLToPath(new URL('../../', import.meta.url));

/** The root of the project: sources, examples, scripts. */
export const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));

/** The compiled command line program. */
export const tramontaneBin = fileURLToPath(new URL('../../api/bin.js', import.meta.url));
