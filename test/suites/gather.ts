import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Gathering {
  /** Folders of `test/`, and files without their extension such as `api/graph.test`, that share a process, line by line. */
  readonly rooms: readonly (readonly string[])[];
  /** Words before `.test` in names of files that are not fast. */
  readonly otherSuites: readonly string[];
}

/** Imported before the tests: not all of them begin at once. */
const LIMIT = '../suites/limit.js';

/**
 * Writes a file `<build>/test/gathered/<folders>.test.js` for each line of `rooms`, which imports the fast test files of those folders,
 * whatever they are called. The imports are static, since ava wants all tests declared at once.
 */
export function gatherTests(buildFolder: string, { rooms, otherSuites }: Gathering): void {
  const tests = join(buildFolder, 'test');
  const target = join(tests, 'gathered');
  const isFast = (name: string) =>
    name.endsWith('.test.js') && !otherSuites.some((suite) => name.endsWith(`.${suite}.test.js`));
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const folders of rooms) {
    const files = folders.flatMap((folder) =>
      folder.endsWith('.test')
        ? [`../${folder}.js`]
        : readdirSync(join(tests, folder), { recursive: true, encoding: 'utf8' })
            .filter(isFast)
            .toSorted()
            .map((name) => `../${folder}/${name}`),
    );
    const names = new Set(folders.map((folder) => folder.split('/')[0]));
    writeFileSync(
      join(target, `${[...names].join('-')}.test.js`),
      [LIMIT, ...files].map((file) => `import '${file}';\n`).join(''),
    );
  }
}
