import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { isJsonObject, type Json, type JsonObject, jsonEquals } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { dslSchema } from '../../dsl/schema.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { projectRoot } from '../helpers/project.ts';
import { taskText, workflowText } from './texts.ts';

const SCHEMA = dslSchema();

function accepts(definition: string, text: string): boolean {
  const { value } = readYaml(text, new Problems());
  return value !== undefined && fits(value, { $ref: `#/$defs/${definition}` });
}

test('every text that the reference accepted fits the schema', (t) => {
  const root = path.join(projectRoot, 'test/conformance/cases/workflows');
  let texts = 0;
  for (const name of readdirSync(root)) {
    // The cases of refused texts have faults, some of which only the checks can see.
    if (name.startsWith('bad-') || !existsSync(path.join(root, name, 'case.json'))) continue;
    const { steps } = JSON.parse(readFileSync(path.join(root, name, 'case.json'), 'utf8')) as {
      steps: readonly { upload?: string; file?: string }[];
    };
    for (const { upload, file } of steps) {
      if (upload === undefined || file === undefined) continue;
      texts++;
      const definition = upload === 'workbook' ? upload : `${upload}s`;
      t.true(accepts(definition, readFileSync(path.join(root, name, file), 'utf8')), `${name}/${file}`);
    }
  }
  t.true(texts > 150);
});

const REFUSED: readonly (readonly [definition: string, text: string])[] = [
  ['workflows', taskText('actoin: std.noop')],
  ['workflows', taskText('wait-before: -1')],
  ['workflows', taskText("pause-before: 'False'")],
  ['workflows', taskText('on-success: []')],
  ['workflows', taskText('on-success: {next: a, then: b}')],
  ['workflows', taskText('on-success: {publish: {x: 1}}')],
  ['workflows', taskText('retry: {count: 1}')],
  ['workflows', taskText('action: a\nworkflow: b')],
  ['workflows', taskText('requires: a')],
  ['workflows', workflowText('type: reverse\ntasks: {a: {join: all}}')],
  ['workflows', workflowText('type: sideways\ntasks: {a: {join: all}}')],
  ['workflows', workflowText('task-defaults: {join: all}\ntasks: {a: {action: b}}')],
  ['workflows', workflowText('tasks: {}')],
  ['workflows', workflowText('description: no tasks')],
  ['workflows', "version: '1.0'\nwf: {tasks: {a: {action: b}}}"],
  ['workbook', "version: '2.0'\nname: b\nworkflows: {a.b: {tasks: {a: {action: b}}}}"],
  ['workbook', "version: '2.0'\nname: b\nextras: 1"],
  ['workbook', "version: '2.0'"],
  ['actions', "version: '2.0'\na: {input: [x]}"],
  ['actions', "version: '2.0'\na: {base: x, output-base: 1}"],
];

for (const [definition, text] of REFUSED) {
  test(`the schema of ${definition} refuses ${JSON.stringify(text)}`, (t) => {
    t.false(accepts(definition, text));
  });
}

test('every keyword has a description, every reference leads somewhere', (t) => {
  const visit = (schema: Json): void => {
    if (Array.isArray(schema)) (schema as readonly Json[]).forEach(visit);
    if (!isJsonObject(schema)) return;
    if (typeof schema['$ref'] === 'string') t.not(resolve(schema['$ref']), undefined);
    Object.values(schema).forEach(visit);
  };
  visit(SCHEMA);
  for (const name of ['directTask', 'reverseTask', 'taskDefaults', 'action', 'workflow']) {
    const properties = resolve(`#/$defs/${name}`)?.['properties'];
    if (!isJsonObject(properties)) return t.fail(name);
    for (const [key, property] of Object.entries(properties)) {
      t.regex(isJsonObject(property) ? String(property['description']) : '', /^\S.*\.$/, `${name}.${key}`);
    }
  }
});

function resolve(reference: string): JsonObject | undefined {
  const definitions = SCHEMA['$defs'];
  const found = isJsonObject(definitions) ? definitions[reference.replace('#/$defs/', '')] : undefined;
  return isJsonObject(found) ? found : undefined;
}

/** As much of a validator as the keywords of our schema need. An unknown keyword is a mistake in the schema or here. */
function fits(value: Json, schema: Json): boolean {
  if (schema === true) return true;
  if (!isJsonObject(schema)) return false;
  return Object.entries(schema).every(
    ([keyword, rule]) => KEYWORDS[keyword]?.(value, rule, schema) ?? unknown(keyword),
  );
}

function unknown(keyword: string): never {
  throw new Error(`keyword '${keyword}'`);
}

type Rule = (value: Json, rule: Json, schema: JsonObject) => boolean;
const list = (value: Json): readonly Json[] => (Array.isArray(value) ? value : []);
const keys = (value: Json): readonly string[] => (isJsonObject(value) ? Object.keys(value) : []);
const get = (value: Json, key: string): Json => (isJsonObject(value) ? (value[key] ?? null) : null);
const KEYWORDS: Readonly<Record<string, Rule>> = {
  description: () => true,
  then: () => true,
  else: () => true,
  $ref: (value, rule) => fits(value, resolve(String(rule)) ?? false),
  type: (value, rule) => kindOf(value) === rule,
  const: (value, rule) => jsonEquals(value, rule),
  enum: (value, rule) => list(rule).some((item) => jsonEquals(item, value)),
  minLength: (value, rule) => typeof value !== 'string' || value.length >= Number(rule),
  pattern: (value, rule) => typeof value !== 'string' || new RegExp(String(rule)).test(value),
  minimum: (value, rule) => kindOf(value) !== 'integer' || Number(value) >= Number(rule),
  minItems: (value, rule) => !Array.isArray(value) || value.length >= Number(rule),
  uniqueItems: (value) =>
    list(value).every((item, i) => list(value).findIndex((other) => jsonEquals(item, other)) === i),
  items: (value, rule) => list(value).every((item) => fits(item, rule)),
  minProperties: (value, rule) => !isJsonObject(value) || keys(value).length >= Number(rule),
  maxProperties: (value, rule) => keys(value).length <= Number(rule),
  required: (value, rule) => !isJsonObject(value) || list(rule).every((key) => Object.hasOwn(value, String(key))),
  propertyNames: (value, rule) => keys(value).every((key) => fits(key, rule)),
  properties: (value, rule) =>
    keys(value).every((key) => !keys(rule).includes(key) || fits(get(value, key), get(rule, key))),
  additionalProperties: (value, rule, schema) =>
    keys(value).every((key) => keys(schema['properties'] ?? {}).includes(key) || fits(get(value, key), rule)),
  not: (value, rule) => !fits(value, rule),
  anyOf: (value, rule) => list(rule).some((option) => fits(value, option)),
  if: (value, rule, schema) => fits(value, (fits(value, rule) ? schema['then'] : schema['else']) ?? true),
};

function kindOf(value: Json): string {
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return isJsonObject(value) ? 'object' : Number.isInteger(Number(value)) ? 'integer' : 'number';
}
