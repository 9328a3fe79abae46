import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { projectRoot } from '../helpers/project.ts';

/** Where the cases of a suite are. Takes their folder itself, one that holds them in `cases`, and one that holds a folder for each suite. */
export function casesFolder(suite: string, given: string | undefined): string {
  if (given === undefined) return join(projectRoot, 'test/conformance/cases', suite);
  const ofSuite = join(resolve(given), suite);
  const folder = existsSync(ofSuite) ? ofSuite : resolve(given);
  const inner = join(folder, 'cases');
  return existsSync(inner) ? inner : folder;
}
