import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { dslSchema } from '../../dsl/schema.ts';
import { runCommandLine } from '../helpers/command-line.ts';
import { projectRoot } from '../helpers/project.ts';

test('tramontane schema prints the schema', async (t) => {
  const { code, out } = await runCommandLine('schema');
  t.is(code, 0);
  t.deepEqual(JSON.parse(out), JSON.parse(JSON.stringify(dslSchema())));
});

test('the package holds the schema that the build writes', async (t) => {
  const manifest = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
    files: string[];
    exports: Record<string, unknown>;
  };
  t.is(manifest.exports['./schema'], './schema/workflow-2.0.schema.json');
  t.true(manifest.files.includes('schema'));
  t.regex(await readFile(join(projectRoot, 'scripts/finish-build.mjs'), 'utf8'), /schema\/workflow-2\.0\.schema\.json/);
});
