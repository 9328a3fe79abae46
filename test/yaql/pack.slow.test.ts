import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { projectRoot } from '../helpers/project.ts';
import { readmeExamples } from './readme.ts';

/** The README shows values as JSON, whatever Node's console makes of them. */
const AS_JSON = `const console = {
  log: (...values) => process.stdout.write(values.map((value) => JSON.stringify(value)).join(' ') + '\\n'),
};
`;

/** A package that is packed and installed as a stranger would, without the rest of the project in reach. */
test('npm pack of yaql-js installs into an empty project, and the examples of its README run there', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'yaql-js-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const source = join(folder, 'source');
  cpSync(join(projectRoot, 'dsl/yaql'), source, {
    recursive: true,
    filter: (path) => !/\/(dist|node_modules)$/.test(path),
  });
  // The compiler and the types of Node are all it needs to build.
  symlinkSync(join(projectRoot, 'node_modules'), join(source, 'node_modules'));
  const [packed] = JSON.parse(
    npm(source, 'pack', '--json', '--pack-destination', folder).replace(/^[^[]*(?=\[\s*\{)/, ''),
  ) as [{ filename: string; files: { path: string }[] }];
  const names = packed.files.map(({ path }) => path);
  t.true(
    ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts'].every((name) => names.includes(name)),
  );
  t.deepEqual(names.filter((name) => !name.startsWith('dist/')).sort(), ['LICENSE', 'README.md', 'package.json']);

  const project = join(folder, 'project');
  cpSync(join(projectRoot, 'LICENSE'), join(project, 'LICENSE'));
  writeFileSync(join(project, 'package.json'), '{"type": "module", "private": true}');
  npm(project, 'install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename));
  const examples = readmeExamples(readFileSync(join(project, 'node_modules/yaql-js/README.md'), 'utf8'));
  t.true(examples.length >= 7);
  for (const [i, { code, promised }] of examples.entries()) {
    const file = join(project, `example-${i}.mjs`);
    writeFileSync(file, `${AS_JSON}${code}`);
    t.is(execFileSync(process.execPath, [file], { encoding: 'utf8' }), promised.map((line) => `${line}\n`).join(''));
  }
});

function npm(folder: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
