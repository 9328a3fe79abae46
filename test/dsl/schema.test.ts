import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import test from 'ava';
import * as fc from 'fast-check';
import type { Problem } from '../../dsl/errors.ts';
import { type DocumentKind, validate } from '../../dsl/index.ts';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { dslSchema } from '../../dsl/schema.ts';
import { readYaml, writeYaml } from '../../dsl/yaml.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import { documentKind } from '../../api/commands/document-kind.ts';
import { projectRoot } from '../helpers/project.ts';
import { changedTrees } from './mutations.ts';
import { taskText, workflowText } from './texts.ts';
import { randomRuns } from '../helpers/random-runs.ts';

const SCHEMA = dslSchema();
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false });
ajv.addSchema(SCHEMA, 'language');
const whole = partOf('');
// The parts are compiled once, with the whole: ajv takes half a second for it.
const byKind: Readonly<Record<DocumentKind, ValidateFunction>> = {
  workbook: partOf('#/$defs/workbook'),
  workflow: partOf('#/$defs/workflows'),
  action: partOf('#/$defs/actions'),
};

function partOf(place: string): ValidateFunction {
  const accepts = ajv.getSchema(`language${place}`);
  if (accepts === undefined) throw new Error(`no ${place} in the schema`);
  return accepts as ValidateFunction;
}

/** What a schema cannot tell: other tasks, the syntax of JSON and of expressions inside of texts. */
const BEYOND_A_SCHEMA: readonly ((problem: Problem) => boolean)[] = [
  ({ message }) => /^(?:Task '.*' not found|Failed to find start tasks|No inbound|Not enough inbound)/s.test(message),
  ({ message }) => message.startsWith('Invalid DSL: dependency cycle'),
  ({ message }) => message.startsWith('Invalid array in'),
  ({ message }) => /^(?:Parse error|Lexical error|Syntax error|The line already contains)/.test(message),
];

function isTold(problem: Problem, document: Json): boolean {
  if (problem.severity !== 'error' || BEYOND_A_SCHEMA.some((is) => is(problem))) return false;
  return !/\.retry\b/.test(problem.path) || !isRetryLine(document, problem.path);
}

/** Whether the path leads to or into a retry that is written as a text. */
function isRetryLine(document: Json, problem: string): boolean {
  let value: Json = document;
  for (const [, index, quoted, plain] of problem.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([\p{L}\p{N}_-]+)/gu)) {
    const key = plain ?? (quoted === undefined ? '' : (JSON.parse(quoted) as string));
    if (Array.isArray(value)) value = (value as readonly Json[])[Number(index)] ?? null;
    else if (isJsonObject(value)) value = value[key] ?? null;
    if (key === 'retry' && typeof value === 'string') return value !== '';
  }
  return false;
}

/** Null when schema and checks agree about the text; a text that YAML cannot read says nothing about the schema. */
function disagreement(kind: DocumentKind, text: string): string | null {
  const { value } = readYaml(text, new Problems());
  if (value === undefined) return null;
  const told = validate(kind, text).filter((problem) => isTold(problem, value));
  const accepts = byKind[kind];
  if (accepts(plain(value)) === (told.length === 0)) return null;
  const words =
    told.length > 0 ? told.map(({ message }) => message) : accepts.errors?.map((e) => `${e.instancePath} ${e.message}`);
  return `the schema ${told.length > 0 ? 'accepts' : 'refuses'}: ${words?.slice(0, 3).join('; ')}`;
}

/** As a JSON parser of an editor sees it: there 2.0 is 2. */
function plain(value: Json): unknown {
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return (value as readonly Json[]).map(plain);
  return isJsonObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
    : value;
}

interface Sample {
  readonly name: string;
  readonly kind: DocumentKind;
  readonly text: string;
}

function recordedTexts(): Sample[] {
  const root = path.join(projectRoot, 'test/conformance/cases/workflows');
  return readdirSync(root).flatMap((name) => {
    const file = path.join(root, name, 'case.json');
    if (!existsSync(file)) return [];
    const { steps } = JSON.parse(readFileSync(file, 'utf8')) as {
      steps: readonly { upload?: DocumentKind; validate?: DocumentKind; file?: string }[];
    };
    return steps.flatMap((step) => {
      const kind = step.upload ?? step.validate;
      if (kind === undefined || step.file === undefined) return [];
      return [{ name: `${name}/${step.file}`, kind, text: readFileSync(path.join(root, name, step.file), 'utf8') }];
    });
  });
}

function brokenTexts(): Sample[] {
  const root = path.join(projectRoot, 'test/dsl/broken');
  return readdirSync(root)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => {
      const text = readFileSync(path.join(root, file), 'utf8');
      return { name: file, kind: documentKind(text), text };
    });
}

const RECORDED = recordedTexts();
const BROKEN = brokenTexts();

test('schema and checks agree about every recorded and every broken text', (t) => {
  t.true(RECORDED.length > 170);
  t.true(BROKEN.length >= 120);
  t.deepEqual(
    [...RECORDED, ...BROKEN].flatMap(
      ({ name, kind, text }) => disagreement(kind, text)?.replace(/^/, `${name}: `) ?? [],
    ),
    [],
  );
  const refused = [...RECORDED, ...BROKEN].filter(({ kind, text }) => {
    const { value } = readYaml(text, new Problems());
    return value !== undefined && !byKind[kind](plain(value));
  });
  t.true(refused.length > 50, 'enough of them are refused by both');
});

test('without being told the kind of a text the schema finds it out', (t) => {
  for (const { name, kind, text } of [...RECORDED, ...BROKEN]) {
    const { value } = readYaml(text, new Problems());
    if (value === undefined || documentKind(text) !== kind) continue;
    t.is(whole(plain(value)), byKind[kind](plain(value)), name);
  }
});

const REFUSED: readonly (readonly [kind: DocumentKind, text: string])[] = [
  ['workflow', taskText('actoin: std.noop')],
  ['workflow', taskText('wait-before: -1')],
  ['workflow', taskText("pause-before: 'False'")],
  ['workflow', taskText('on-success: []')],
  ['workflow', taskText('on-success: {next: a, then: b}')],
  ['workflow', taskText('on-success: {publish: {x: 1}}')],
  ['workflow', taskText('retry: {count: 1}')],
  ['workflow', taskText('action: a\nworkflow: b')],
  ['workflow', taskText('requires: a')],
  ['workflow', workflowText('type: reverse\ntasks: {a: {join: all}}')],
  ['workflow', workflowText('type: sideways\ntasks: {a: {join: all}}')],
  ['workflow', workflowText('task-defaults: {join: all}\ntasks: {a: {action: b}}')],
  ['workflow', workflowText('tasks: {}')],
  ['workflow', workflowText('description: no tasks')],
  ['workflow', "version: '1.0'\nwf: {tasks: {a: {action: b}}}"],
  ['workbook', "version: '2.0'\nname: b\nworkflows: {a.b: {tasks: {a: {action: b}}}}"],
  ['workbook', "version: '2.0'\nname: b\nextras: 1"],
  ['workbook', "version: '2.0'"],
  ['workbook', "version: '2.0'\nname: b\nworkflows: {a$b: {tasks: {a: {action: b}}}}"],
  ['workbook', "version: '2.0'\nname: b\nactions: {a€b: {base: c}}"],
  ['workbook', "version: '2.0'\nname: b c"],
  ['workbook', "version: '2.0'\nname: b\nworkflows: {0123456789abcdef0123456789ABCDEF: {tasks: {a: {action: b}}}}"],
  ['workflow', "version: '2.0'\nw f: {tasks: {a: {action: b}}}"],
  ['workflow', "version: '2.0'\n'': {tasks: {a: {action: b}}}"],
  ['workflow', "version: '2.0'\n01234567-89ab-cdef-0123-456789abcdef: {tasks: {a: {action: b}}}"],
  ['workflow', workflowText('tasks: {version: {action: b}}')],
  ['workflow', workflowText(`tasks: {${'é'.repeat(256)}: {action: b}}`)],
  ['workflow', workflowText(`tasks: {a: {on-success: ${'j'.repeat(209)}}, ${'j'.repeat(209)}: {join: 1}}`)],
  ['workflow', workflowText(`tasks: {${'j'.repeat(209)}: {joni: 1}}`)],
  ['workflow', taskText('action: (a) x=1')],
  ['workflow', taskText('action: "=a x=1"')],
  ['workflow', taskText('on-success: a then')],
  ['workflow', taskText('on-success: [a b]')],
  ['workflow', taskText('on-success: [{a b: <% true %>}]')],
  ['workflow', taskText('on-success: {next: {a b: <% true %>}}')],
  ['workflow', taskText('with-items: x of <% $.y %>')],
  ['workflow', taskText('with-items: [<% $.y %>]')],
  ['workflow', taskText('with-items: x in []')],
  ['workflow', taskText('action: std.echo output=1\ninput: <% $.x %>')],
  ['workflow', taskText('workflow: "w x-y=[1]"\ninput: <% $.x %>')],
  ['action', "version: '2.0'\na b: {base: c}"],
  ['action', "version: '2.0'\na: {base: '[x] y'}"],
  ['action', "version: '2.0'\na: {input: [x]}"],
  ['action', "version: '2.0'\na: {base: x, output-base: 1}"],
];

for (const [kind, text] of REFUSED) {
  test(`the schema of a ${kind} refuses ${JSON.stringify(text)}`, (t) => {
    t.false(byKind[kind](plain(readYaml(text, new Problems()).value ?? null)));
    t.is(disagreement(kind, text), null);
  });
}

const TAKEN: readonly (readonly [kind: DocumentKind, text: string])[] = [
  [
    'workbook',
    "version: '2.0'\nname: größe\nworkflows: {größe-1_ж: {tasks: {a: {action: b}}}, version-1: {tasks: {a: {action: b}}}}",
  ],
  ['workflow', "version: '2.0'\na.b$c€: {tasks: {'a b': {action: b}, 'email%': {action: b}}}"],
  ['workflow', workflowText(`tasks: {${'é'.repeat(255)}: {action: b}}`)],
  ['workflow', workflowText(`tasks: {a: {on-success: ${'j'.repeat(208)}}, ${'j'.repeat(208)}: {join: 1}}`)],
  ['workflow', workflowText(`tasks: {${'j'.repeat(209)}: {join: 0}}`)],
  [
    'workflow',
    taskText("on-success: [a, fail, 'fail msg=\"x y\"', \"fail(msg='x y')\", {'succeed(msg=1)': <% true %>}]"),
  ],
  ['workflow', taskText("on-success: {next: {'fail msg=1': <% true %>}}")],
  ['workflow', taskText("with-items: [i in <% $.x %>, ' k-l in [1, 2]', 'é in<% $.x %> junk', 'm in {{ _.x }}']")],
  ['workflow', taskText('action: <% $.a %> x=1\ninput: {b: 1}')],
  ['workflow', taskText('action: std.echo output = 1\ninput: <% $.x %>')],
  ['workflow', taskText('action: std.echo=1\ninput: <% $.x %>')],
  ['workflow', taskText("action: '{{ _.a }} x=1'")],
  ['action', "version: '2.0'\na.b: {base: 'std.echo output=\"x\"'}"],
];

for (const [kind, text] of TAKEN) {
  test(`schema and checks of a ${kind} take ${JSON.stringify(text)}`, (t) => {
    t.deepEqual(
      validate(kind, text).filter(({ severity }) => severity === 'error'),
      [],
    );
    t.true(byKind[kind](plain(readYaml(text, new Problems()).value ?? null)), JSON.stringify(byKind[kind].errors));
  });
}

test('schema and checks agree about what becomes of sound texts by chance', (t) => {
  const sound = RECORDED.filter(({ kind, text }) => validate(kind, text).every(({ severity }) => severity !== 'error'));
  let refused = 0;
  const disagreements: string[] = [];
  fc.assert(
    fc.property(fc.constantFrom(...sound), fc.infiniteStream(fc.nat()), ({ kind, text }, chance) => {
      const { value } = readYaml(text, new Problems());
      if (!isJsonObject(value)) return;
      const changed = writeYaml(changedTrees(value, chance));
      const found = disagreement(kind, changed);
      if (found !== null) disagreements.push(`${found}\n${changed}`);
      if (!byKind[kind](plain(readYaml(changed, new Problems()).value ?? null))) refused++;
    }),
    { numRuns: randomRuns(160), seed: 7 },
  );
  t.deepEqual(disagreements, []);
  t.true(refused > randomRuns(30));
});

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
