import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Tests that share a process. */
export interface Room {
  /** Of the file that imports them, without its extensions. */
  readonly name: string;
  /** Folders of `test/`, and files without their extension such as `api/graph.test`. */
  readonly places: readonly string[];
}

export interface Gathering {
  readonly rooms: readonly Room[];
  /** Words before `.test` in names of files that are not fast. */
  readonly otherSuites: readonly string[];
}

/** Imported before the tests: not all of them begin at once. */
const LIMIT = '../suites/limit.js';

/**
 * Writes a file `<build>/test/gathered/<name>.test.js` for each room, which imports the test files of its places without a suite in their name,
 * whatever they are called. The imports are static, since ava wants all tests declared at once.
 */
export function gatherTests(buildFolder: string, { rooms, otherSuites }: Gathering): void {
  const tests = join(buildFolder, 'test');
  const target = join(tests, 'gathered');
  const isPlain = (name: string) =>
    name.endsWith('.test.js') && !otherSuites.some((suite) => name.endsWith(`.${suite}.test.js`));
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const { name, places } of rooms) {
    const files = places.flatMap((folder) =>
      folder.endsWith('.test')
        ? [`../${folder}.js`]
        : readdirSync(join(tests, folder), { recursive: true, encoding: 'utf8' })
            .filter(isPlain)
            .toSorted()
            .map((file) => `../${folder}/${file}`),
    );
    writeFileSync(join(target, `${name}.test.js`), [LIMIT, ...files].map((file) => `import '${file}';\n`).join(''));
  }
}
