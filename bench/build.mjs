import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The compiled project that is measured; BUILD names another one, from the project's folder. */
export const BUILD = resolve(fileURLToPath(new URL('..', import.meta.url)), process.env.BUILD ?? 'dist');

/** A compiled module of it. */
export function build(path) {
  return import(pathToFileURL(join(BUILD, path)).href);
}
