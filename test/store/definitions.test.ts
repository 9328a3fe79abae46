import test from 'ava';
import type { ActionCatalogue, ActionDefinition } from '../../engine/contract.ts';
import type { Caller } from '../../engine/facade.ts';
import { createDefinitions } from '../../engine/shell/definitions.ts';
import type { Definitions } from '../../engine/shell/definitions.ts';
import { createDefinitionFinder } from '../../engine/store/definition-finder.ts';
import { definitionsEpoch, findDefinition } from '../../engine/store/definitions.ts';
import type { Store } from '../../engine/store/connection.ts';
import { silentLogger, type LogFields, type Logger } from '../../engine/log.ts';
import { memoryStore } from '../helpers/store.ts';

const alice: Caller = { projectId: 'alice', isAdmin: false };
const bob: Caller = { projectId: 'bob', isAdmin: false };
const admin: Caller = { projectId: 'root', isAdmin: true };
const here = { namespace: '', scope: 'private' } as const;

const workflow = (name: string, extra = '') =>
  `version: '2.0'\n${name}:\n${extra}  tasks:\n    t:\n      action: std.noop\n`;
const actions = (...names: string[]) =>
  `version: '2.0'\n${names.map((name) => `${name}: {base: std.noop}\n`).join('')}`;
const two = (first: string, second: string) =>
  workflow(first) + workflow(second, '  tags: [x]\n').replace("version: '2.0'\n", '');

const BOOK = `version: '2.0'
name: book
tags: [t1]
actions:
  shout:
    base: std.echo
    input: [what]
    base-input:
      output: <% $.what %>
workflows:
  main:
    input: [p]
    tasks:
      t:
        action: shout what=1
`;

test('a workflow is stored with what the API shows of it', async (t) => {
  const { definitions } = await open(t);
  const text = workflow(
    'wf',
    '  tags: [alpha, Beta]\n  input: [who, n: 3, s: txt, none: null]\n  output:\n    msg: <% $.x %>\n',
  );
  const [row] = await definitions.createWorkflows(alice, text, here);
  t.like(row, {
    name: 'wf',
    namespace: '',
    project_id: 'alice',
    scope: 'private',
    definition: text,
    tags: '["alpha","Beta"]',
    input: 'who, n="3", s="txt", none="None"',
    interface: '{"input":["who",{"n":3},{"s":"txt"},{"none":null}],"output":["msg"]}',
    workbook_name: null,
    updated_at: null,
  });
  t.regex(row?.checksum ?? '', /^[0-9a-f]{32}$/);
});

test('several workflows are created together or not at all, and each keeps a text of its own', async (t) => {
  const { definitions, store } = await open(t);
  await definitions.createWorkflows(alice, workflow('a'), here);
  await t.throwsAsync(definitions.createWorkflows(alice, two('b', 'a'), here), {
    code: 'CONFLICT',
    message: "Duplicate entry for WorkflowDefinition ['name', 'namespace', 'project_id']: a, , alice",
  });
  t.is(await findDefinition(store.reader, 'workflows', alice, { name: 'b', namespace: '' }), undefined);
  const rows = await definitions.createWorkflows(alice, two('d', 'c'), here);
  t.deepEqual(
    rows.map((row) => row.name),
    ['d', 'c'],
  );
  t.true(
    rows[1]?.definition.includes('version') && rows[1].definition.includes('c:') && !rows[1].definition.includes('d:'),
  );
});

test('the same name may be used in another namespace and another project', async (t) => {
  const { definitions } = await open(t);
  await definitions.createWorkflows(alice, workflow('a'), here);
  await t.notThrowsAsync(definitions.createWorkflows(alice, workflow('a'), { ...here, namespace: 'n' }));
  await t.notThrowsAsync(definitions.createWorkflows(bob, workflow('a'), here));
});

test('an update keeps the id, moves updated_at only when something changed, and leaves old specs alone', async (t) => {
  const { definitions, finder, clock } = await open(t);
  const [created] = await definitions.createWorkflows(alice, workflow('a'), here);
  const before = await finder.findWorkflow('a', '', 'alice');
  clock.now = 2000;
  const [same] = await definitions.updateWorkflows(alice, workflow('a'), here);
  t.deepEqual(same, created);
  const [changed] = await definitions.updateWorkflows(alice, workflow('a', '  input: [z]\n'), here);
  t.like(changed, { id: created?.id, input: 'z', updated_at: 2000, created_at: 1000 });
  const after = await finder.findWorkflow('a', '', 'alice');
  t.not(after?.specHash, before?.specHash);
  t.deepEqual((await finder.loadSpec(before?.specHash ?? '')).input, []);
  t.is(after?.spec.input[0]?.name, 'z');
});

test('an update needs every workflow to exist in the namespace', async (t) => {
  const { definitions, store } = await open(t);
  await definitions.createWorkflows(alice, workflow('a'), here);
  await t.throwsAsync(definitions.updateWorkflows(alice, two('a', 'nope'), here), {
    code: 'NOT_FOUND',
    message: 'Workflow not found [workflow_identifier=nope, namespace=]',
  });
  t.is((await findDefinition(store.reader, 'workflows', alice, { name: 'a', namespace: '' }))?.updated_at, null);
  await t.throwsAsync(definitions.updateWorkflows(alice, workflow('a'), { ...here, namespace: 'n' }), {
    code: 'NOT_FOUND',
  });
});

test('an update with an identifier may rename, but not onto a name that is taken, and takes one workflow only', async (t) => {
  const { definitions } = await open(t);
  const [a] = await definitions.createWorkflows(alice, two('a', 'b'), here);
  t.like((await definitions.updateWorkflows(alice, workflow('c'), here, a?.id))[0], { id: a?.id, name: 'c' });
  t.like((await definitions.updateWorkflows(alice, workflow('a'), here, 'c'))[0], { id: a?.id, name: 'a' });
  await t.throwsAsync(definitions.updateWorkflows(alice, workflow('b'), here, 'a'), { code: 'CONFLICT' });
  await t.throwsAsync(definitions.updateWorkflows(alice, two('a', 'b'), here, 'a'), {
    code: 'INVALID_INPUT',
    message: /More than one workflows are not supported for update with identifier/,
  });
});

test('a public definition can be read by all, changed by its owner and administrators, and made by administrators only', async (t) => {
  const { definitions, finder } = await open(t);
  await t.throwsAsync(definitions.createWorkflows(alice, workflow('a'), { namespace: '', scope: 'public' }), {
    code: 'FORBIDDEN',
  });
  const [row] = await definitions.createWorkflows(admin, workflow('a'), { namespace: '', scope: 'public' });
  t.is((await finder.findWorkflow('a', '', 'alice'))?.id, row?.id);
  await t.throwsAsync(definitions.deleteWorkflow(alice, 'a', ''), {
    code: 'FORBIDDEN',
    message: `Can not access WorkflowDefinition resource of other projects, ID: ${row?.id}`,
  });
  await definitions.createWorkflows(alice, workflow('a'), here);
  t.not((await finder.findWorkflow('a', '', 'alice'))?.id, row?.id);
  await t.throwsAsync(definitions.deleteWorkflow(bob, 'b', ''), { code: 'NOT_FOUND' });
  await definitions.deleteWorkflow(admin, row?.id ?? '', 'whatever');
  t.is(await finder.findWorkflow('a', '', 'bob'), null);
});

test('a workbook brings its workflows and actions, and they stay when it goes', async (t) => {
  const { definitions, finder, store } = await open(t);
  const place = { namespace: 'n', scope: 'private' } as const;
  t.like(await definitions.createWorkbook(alice, BOOK, place), {
    name: 'book',
    namespace: 'n',
    tags: '["t1"]',
    definition: BOOK,
  });
  const main = await findDefinition(store.reader, 'workflows', alice, { name: 'book.main', namespace: 'n' });
  t.like(main, { workbook_name: 'book', checksum: null, input: 'p' });
  t.true(main?.definition.includes('main:'));
  t.like(await finder.findAction('book.shout', 'n', 'alice'), { kind: 'ad-hoc', workbookName: 'book' });
  await t.throwsAsync(definitions.createWorkbook(alice, BOOK, place), { code: 'CONFLICT' });
  await definitions.deleteWorkbook(alice, 'book', 'n');
  t.like(await definitions.createWorkbook(alice, BOOK.replace('[p]', '[q]'), place), { name: 'book' });
  t.is((await findDefinition(store.reader, 'workflows', alice, { name: 'book.main', namespace: 'n' }))?.id, main?.id);
  t.is((await finder.findWorkflow('book.main', 'n', 'alice'))?.spec.input[0]?.name, 'q');
  await t.throwsAsync(definitions.deleteWorkbook(alice, 'book', ''), {
    code: 'NOT_FOUND',
    message: 'Workbook not found [name=book, namespace=]',
  });
});

test('an action keeps the whole text and cannot take the name of a system action', async (t) => {
  const { definitions, finder } = await open(t);
  const text = "version: '2.0'\none:\n  base: std.noop\n  input: [a, b: 2, c: null, d: txt]\ntwo:\n  base: std.noop\n";
  const rows = await definitions.createActions(alice, text, here);
  t.deepEqual(
    rows.map((row) => [row.name, row.definition, row.input]),
    [
      ['one', text, 'a, b=2, c=null, d="txt"'],
      ['two', text, ''],
    ],
  );
  await t.throwsAsync(definitions.createActions(alice, text.replace('two', 'std.echo'), here), {
    code: 'CONFLICT',
    message: /system action/,
  });
  await t.throwsAsync(definitions.updateActions(alice, text.replace('two', 'std.echo'), here), {
    code: 'INVALID_INPUT',
  });
  await t.throwsAsync(definitions.deleteAction(alice, 'std.echo', ''), {
    code: 'INVALID_INPUT',
    message: 'Attempt to delete a system action: std.echo',
  });
  t.like(await finder.findAction('one', 'other', 'alice'), { kind: 'ad-hoc', spec: { base: 'std.noop' } });
  await t.throwsAsync(definitions.deleteAction(alice, 'one', 'other'), { code: 'NOT_FOUND' });
  await definitions.deleteAction(alice, 'one', '');
  t.is(await finder.findAction('one', '', 'alice'), null);
});

test('every change raises the epoch that engines watch, a refused one does not', async (t) => {
  const { definitions, store } = await open(t);
  const before = await definitionsEpoch(store.reader);
  await definitions.createWorkflows(alice, workflow('a'), here);
  t.is(await definitionsEpoch(store.reader), before + 1);
  await t.throwsAsync(definitions.createWorkflows(alice, workflow('a'), here));
  t.is(await definitionsEpoch(store.reader), before + 1);
});

test('a text that is no definition is refused with every place that is wrong', async (t) => {
  const { definitions } = await open(t);
  const error = await t.throwsAsync(
    definitions.createWorkflows(alice, "version: '2.0'\nwf:\n  tasks:\n    t:\n      on-success: nope\n", here),
    {
      code: 'DSL_INVALID',
    },
  );
  t.regex(error?.message ?? '', /^5:\d+: .*nope/);
  t.true((await definitions.validate(alice, 'workflow', 'nonsense', '')).length > 0);
});

test('warnings of what is stored are logged, those of refused texts are not', async (t) => {
  const { definitions, lines } = await open(t);
  const doubtful = (name: string) => workflow(name).replace('std.noop', 'nova.list');
  await definitions.createWorkflows(alice, workflow('fine'), here);
  t.deepEqual(lines, []);
  const told = (definition: string, ...warnings: string[]) => ({
    definition,
    namespace: '',
    warnings,
    count: warnings.length,
  });
  await definitions.createWorkflows(alice, doubtful('wf'), here);
  t.deepEqual(lines, [told('wf', "5:15: Unknown action 'nova.list'")]);
  await t.throwsAsync(definitions.createWorkflows(alice, doubtful('wf'), here), { code: 'CONFLICT' });
  t.is(lines.length, 1);
  await definitions.updateWorkflows(alice, doubtful('wf'), here);
  await definitions.createActions(alice, actions('x', 'y').replace('std.noop', 'nova.list'), here);
  t.deepEqual(lines.slice(2), [told('x, y', "2:11: Unknown action 'nova.list'")]);
  await definitions.createActions(alice, actions('nova.list'), here);
  await definitions.updateWorkflows(alice, doubtful('wf'), here);
  t.is(lines.length, 3);
  const book = (action: string) =>
    `version: '2.0'\nname: b\nworkflows:\n  w: {tasks: {t: {action: own}, u: {action: ${action}}}}\nactions: {own: {base: std.noop}}\n`;
  await definitions.createWorkbook(alice, book('b.own'), here);
  await definitions.updateWorkbook(alice, book('b.owm'), here);
  t.is(lines.length, 4);
  t.like(lines[3], { definition: 'b', count: 1 });
});

test('a call of an action that neither the text nor the system nor the store has is warned of', async (t) => {
  const { definitions } = await open(t);
  await definitions.createActions(alice, actions('act', 'spark.ours'), here);
  await definitions.createActions(admin, actions('hers'), { ...here, scope: 'public' });
  await definitions.createActions(bob, actions('secret'), here);
  await definitions.createActions(alice, actions('far'), { ...here, namespace: 'n' });
  const called = ['std.echo', 'act', 'spark.ours', 'hers', 'secret', 'far', 'nova.list'];
  const text = `version: '2.0'\nwf:\n  tasks:\n${called.map((name, i) => `    t${i}: {action: ${name}}\n`).join('')}`;
  const unknown = async (namespace: string) =>
    (await definitions.validate(alice, 'workflow', text, namespace)).map(({ message }) => message);
  t.deepEqual(await unknown(''), ["Unknown action 'secret'", "Unknown action 'far'", "Unknown action 'nova.list'"]);
  t.deepEqual(await unknown('n'), ["Unknown action 'secret'", "Unknown action 'nova.list'"]);
  const many = Array.from({ length: 450 }, (_, i) => `m${i}`);
  await definitions.createActions(alice, actions(...many.slice(0, 449)), here);
  const calls = many.map((name) => `    ${name}: {action: ${name}}\n`).join('');
  const [last, ...others] = await definitions.validate(
    alice,
    'workflow',
    `version: '2.0'\nwf:\n  tasks:\n${calls}`,
    '',
  );
  t.is(last?.unknownAction, 'm449');
  t.deepEqual(others, []);
});

async function open(t: { teardown(run: () => Promise<void>): void }): Promise<{
  store: Store;
  definitions: Definitions;
  finder: ReturnType<typeof createDefinitionFinder>;
  clock: { now: number };
  /** What was logged at level info. */
  lines: LogFields[];
}> {
  const store = await memoryStore(t);
  const clock = { now: 1000 };
  const lines: LogFields[] = [];
  const log: Logger = { ...silentLogger, info: (_message, fields = {}) => lines.push(fields) };
  const definitions = createDefinitions({ store, catalogue, now: () => clock.now, log });
  return { store, definitions, finder: createDefinitionFinder(store.reader), clock, lines };
}

const catalogue: ActionCatalogue = {
  find: (name) => (name.startsWith('std.') ? ({ name } as ActionDefinition) : undefined),
  list: () => [],
  runPure: () => ({ kind: 'success', output: null }),
  needsWorker: () => false,
};
