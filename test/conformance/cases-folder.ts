import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { projectRoot } from '../helpers/project.ts';

/** Where the cases of a suite are. Takes their folder itself as well as a folder that holds them in `cases`. */
export function casesFolder(suite: string, given: string | undefined): string {
  if (given === undefined) return join(projectRoot, 'test/conformance/cases', suite);
  const folder = resolve(given);
  const inner = join(folder, 'cases');
  return existsSync(inner) ? inner : folder;
}
