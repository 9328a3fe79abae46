import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it, as `mkdir -p`. Not with Node's `recursive`: below folders that let nobody make any and say ENOENT, as
 * `/proc` does, Node 20 tries for ever and takes no signal. `mode`: of the folders that it makes.
 *
 * @throws the error of the operating system for the first folder that cannot be made.
 */
export function makeFolder(path: string, mode?: number): void {
  if (existsSync(path)) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above, mode);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
