import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { projectRoot } from '../helpers/project.ts';
import { runCommandLine } from '../helpers/command-line.ts';

// NAME.yaml holds a fault, NAME.txt what `tramontane validate` prints about it, word for word, and NAME.fixed.yaml differs from
// NAME.yaml in reported lines only.
const FOLDER = path.join(projectRoot, 'test/dsl/broken');
const files = readdirSync(FOLDER);
const names = files.flatMap((file) => /^(.*)\.txt$/.exec(file)?.[1] ?? []);

for (const name of names) {
  test(`${name}.yaml is refused in these words, and its repair is taken`, async (t) => {
    const broken = await validate(`${name}.yaml`);
    t.is(broken.out, read(`${name}.txt`));
    t.is(broken.code, 2);
    t.deepEqual(await validate(`${name}.fixed.yaml`), { code: 0, out: '' });

    const reported = new Set([...broken.out.matchAll(/^[^:]+:(\d+):/gm)].map((match) => Number(match[1])));
    const before = read(`${name}.yaml`).split('\n');
    const after = read(`${name}.fixed.yaml`).split('\n');
    t.is(before.length, after.length);
    const changed = before.flatMap((line, i) => (line === after[i] ? [] : [i + 1]));
    t.true(changed.length > 0);
    t.deepEqual(
      changed.filter((line) => !reported.has(line)),
      [],
      'lines were changed that nothing was said about',
    );
  });
}

test('there are three files for each of at least 60 faults', (t) => {
  t.true(names.length >= 60);
  t.deepEqual(
    files.toSorted(),
    names.flatMap((name) => [`${name}.fixed.yaml`, `${name}.txt`, `${name}.yaml`]).toSorted(),
  );
});

async function validate(file: string): Promise<{ code: number; out: string }> {
  const { code, out } = await runCommandLine('validate', path.join(FOLDER, file));
  return { code, out: out.replaceAll(`${FOLDER}${path.sep}`, '') };
}

function read(file: string): string {
  return readFileSync(path.join(FOLDER, file), 'utf8');
}
