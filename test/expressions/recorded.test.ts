import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { ExpressionError } from '../../dsl/errors.ts';
import { evaluateValue } from '../../dsl/expressions/index.ts';
import { dumpYaml, parseYaml } from '../../dsl/expressions/yaml-values.ts';
import { type Json, parseJson } from '../../dsl/json.ts';
import { projectRoot } from '../helpers/project.ts';
import { scopeWith } from './scope.ts';

interface Recording<Case> {
  readonly data: Json;
  readonly cases: readonly Case[];
}

async function recording<Case>(name: string): Promise<Recording<Case>> {
  const text = await readFile(join(projectRoot, 'test/expressions/fixtures', name), 'utf8');
  return parseJson(text) as unknown as Recording<Case>;
}

test('Templates render as Jinja2 renders them, and fail with its errors.', async (t) => {
  const { data, cases } = await recording<{ template: string; text?: string; error?: string }>('jinja2.json');
  const differences = cases.flatMap(({ template, text, error }) => {
    const outcome = renderOrFail(template, data);
    const expected = error === undefined ? { text } : { error };
    return JSON.stringify(outcome) === JSON.stringify(expected) ? [] : [{ template, expected, outcome }];
  });
  t.true(cases.length > 1000);
  t.deepEqual(differences, []);
});

function renderOrFail(template: string, data: Json): { text: unknown } | { error: string } {
  try {
    return { text: evaluateValue(template, scopeWith(data)) };
  } catch (error) {
    if (error instanceof ExpressionError) return { error: error.errorClass };
    throw error;
  }
}

test('Values are written as PyYAML writes them, and read back.', async (t) => {
  const { cases } = await recording<{ value: Json; text: string }>('pyyaml.json');
  t.true(cases.length > 200);
  for (const { value, text } of cases) {
    t.is(dumpYaml(value), text);
    t.deepEqual(plain(parseYaml(text)), plain(value));
  }
});

/** Maps and objects alike as sorted entries. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, plain(item)]);
}
