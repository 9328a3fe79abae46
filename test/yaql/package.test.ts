import { readFileSync } from 'node:fs';
import test from 'ava';
import { stringifyJson, type Json } from '../../dsl/json.ts';
import { readmeExamples } from './readme.ts';

const folder = 'dsl/yaql';

test('every example of the README prints what it says', async (t) => {
  const examples = readmeExamples(readFileSync(`${folder}/README.md`, 'utf8'));
  t.true(examples.length >= 7);
  t.deepEqual(
    await Promise.all(examples.map(({ code }) => run(code))),
    examples.map(({ promised }) => promised),
  );
});

test('the package lists no dependencies', (t) => {
  const manifest = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Record<string, unknown>;
  t.is(manifest.name, 'yaql-js');
  t.is(manifest.dependencies, undefined);
});

/** What the code prints, one line per call of console.log. */
async function run(code: string): Promise<string[]> {
  const lines: string[] = [];
  const log = (...values: unknown[]) => lines.push(values.map((value) => stringifyJson(value as Json)).join(' '));
  const AsyncFunction = run.constructor as new (
    ...code: string[]
  ) => (console: unknown, yaql: unknown) => Promise<void>;
  const body = code.replace(/import (.*) from 'yaql-js';/g, 'const $1 = yaql;');
  await new AsyncFunction('console', 'yaql', body)({ log }, await import('../../dsl/yaql/index.ts'));
  return lines;
}
