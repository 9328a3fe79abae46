import { checkNamedTasks, checkWorkflowGraph } from '../checks.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import type { Path, Problems } from '../problems.ts';
import { Float } from '../yaql/numbers.ts';
import { actionSpecFrom, rawAction } from './action.ts';
import { checkBase, checkCalls, type DocumentOptions, type KnownNames, knownNames } from './call-check.ts';
import { parseInlineCall } from './inline-params.ts';
import { hintForValue } from './misplaced.ts';
import { MAX_JOIN_NAME, MAX_TASK_NAME } from './names.ts';
import { own } from './policies.ts';
import { ACTION, DIRECT_TASK, REVERSE_TASK, type Shape, TASK_DEFAULTS, WORKBOOK, WORKFLOW } from './shape.ts';
import { checkShape } from './shape-check.ts';
import { show } from './show.ts';
import { textOf } from './task.ts';
import type { WorkflowSpec } from './types.ts';
import { checkActionVariables, checkVariables } from './variable-check.ts';
import { rawWorkflow, typeOf, workflowSpecFrom } from './workflow.ts';

export type { CallCheck, DocumentOptions } from './call-check.ts';

/** Everything that is said about one text while it is checked, and the workflows that were found in it. */
export class DocumentCheck {
  readonly problems: Problems;
  /** Built from whatever could be read; fit for use only if there are no errors. */
  readonly workflows: WorkflowSpec[] = [];
  private readonly options: DocumentOptions;

  constructor(problems: Problems, options: DocumentOptions) {
    this.problems = problems;
    this.options = options;
  }

  /** spec/dsl.md §3. */
  workbook(document: Json): void {
    const { problems } = this;
    if (!isMapping(document, [], problems)) return;
    checkVersion(document, [], problems);
    if (this.options.validate !== false) checkShape(document, WORKBOOK, [], problems);
    else if (textOf(own(document, 'name')) === null) missing('name', problems);
    const name = textOf(own(document, 'name'));
    if (name !== null) checkStoredName(name, { path: ['name'] }, problems);
    const actions = keysOf(own(document, 'actions'));
    const workflows = keysOf(own(document, 'workflows'));
    const book = name ?? '';
    const inFull = (names: readonly string[]): readonly string[] => names.map((short) => `${book}.${short}`);
    const known = knownNames(this.options, [...actions, ...inFull(actions)], [...workflows, ...inFull(workflows)]);
    const full = knownNames(this.options, inFull(actions), []).action;
    checkSection(document, 'actions', problems, (action, entry, path) =>
      this.action(action, entry, path, full, { book, names: actions }),
    );
    checkSection(document, 'workflows', problems, (name, entry, path) => this.workflow(name, entry, path, known));
  }

  workflowList(document: Json): void {
    const known = knownNames(this.options, [], keysOf(document));
    checkList(document, this.problems, (name, entry, path) => this.workflow(name, entry, path, known));
  }

  actionList(document: Json): void {
    const known = knownNames(this.options, keysOf(document), []).action;
    checkList(document, this.problems, (name, entry, path) => this.action(name, entry, path, known, null));
  }

  private workflow(name: string, entry: Json, path: Path, known: KnownNames): void {
    const { problems } = this;
    const since = problems.count;
    if (UUID.test(name)) {
      problems.error(
        { path, at: 'key' },
        'Workflow name cannot be in the format of UUID.',
        'a name in this form would be taken for an id',
      );
    }
    if (!isMapping(entry, path, problems)) return;
    if (this.options.validate === false) {
      this.uncheckedWorkflow(name, entry, path);
      return;
    }
    checkShape(entry, WORKFLOW, path, problems);
    const defaults = own(entry, 'task-defaults');
    if (defaults !== undefined) checkShape(defaults, TASK_DEFAULTS, [...path, 'task-defaults'], problems);
    const tasks = own(entry, 'tasks');
    if (!isJsonObject(tasks)) return;
    const shape = typeOf(entry) === 'reverse' ? REVERSE_TASK : DIRECT_TASK;
    for (const task of Object.keys(tasks)) {
      checkTask(task, tasks[task] ?? null, shape, [...path, 'tasks', task], problems);
    }
    const spec = workflowSpecFrom(rawWorkflow(name, entry));
    this.workflows.push(spec);
    checkWorkflowGraph(spec, entry, path, problems, since);
    checkCalls(spec, path, problems, known, this.options.checkCall);
    checkVariables(spec, entry, path, problems);
  }

  /** Only what nothing could be built without (spec/dsl.md §15, `skip_validation`). */
  private uncheckedWorkflow(name: string, entry: JsonObject, path: Path): void {
    const spec = workflowSpecFrom(rawWorkflow(name, entry));
    if (spec.tasks.size === 0) {
      this.problems.error({ path, at: 'key' }, `Workflow doesn't have any tasks [data=${show(entry)}]`);
    }
    checkNamedTasks(spec, entry, path, this.problems);
    this.workflows.push(spec);
  }

  private action(
    name: string,
    entry: Json,
    path: Path,
    known: ReadonlySet<string> | null,
    siblings: { readonly book: string; readonly names: readonly string[] } | null,
  ): void {
    if (!isMapping(entry, path, this.problems) || this.options.validate === false) return;
    const before = this.problems.errorCount;
    checkShape(entry, ACTION, path, this.problems);
    if (this.problems.errorCount > before) return;
    const spec = actionSpecFrom(rawAction(name, entry));
    checkBase(spec, path, this.problems, known, siblings, this.options.checkCall);
    checkActionVariables(spec, entry, path, this.problems);
  }
}

function missing(key: 'name' | 'version', problems: Problems): void {
  const hint = key === 'version' ? "the text must begin with: version: '2.0'" : null;
  problems.error({ path: [] }, `Invalid DSL: '${key}' is a required property`, hint);
}

type EntryCheck = (name: string, entry: Json, path: Path) => void;

/** A document whose keys are entries, besides `version` (spec/dsl.md D-1.8, D-1.9). */
function checkList(document: Json, problems: Problems, checkEntry: EntryCheck): void {
  if (!isMapping(document, [], problems)) return;
  if (!Object.hasOwn(document, 'version')) {
    missing('version', problems);
  }
  checkVersion(document, [], problems);
  const names = Object.keys(document).filter((name) => name !== 'version');
  if (names.length === 0) {
    problems.error({ path: [] }, `At least one item must be in the list [data=${show(document)}].`, null);
  }
  for (const name of names) {
    checkStoredName(name, { path: [name], at: 'key' }, problems);
    if (SECTIONS.has(name)) {
      problems.warning(
        { path: [name], at: 'key' },
        `'${name}' is taken for the name of an entry: every key beside 'version' is one`,
        `write the name of the workflow first, and '${name}' indented below it`,
      );
    }
    checkEntry(name, document[name] ?? null, [name]);
  }
}

function checkSection(
  document: JsonObject,
  section: 'actions' | 'workflows',
  problems: Problems,
  checkEntry: EntryCheck,
): void {
  const entries = own(document, section);
  if (!isJsonObject(entries)) return;
  checkVersion(entries, [section], problems);
  for (const name of Object.keys(entries)) {
    if (name !== 'version') checkEntry(name, entries[name] ?? null, [section, name]);
  }
}

/** One rule for all documents: 2, 2.0 and the texts '2' and '2.0' (spec/dsl.md §17-B). */
function checkVersion(holder: JsonObject, path: Path, problems: Problems): void {
  const version = own(holder, 'version');
  if (version === undefined || version === '2.0' || version === '2' || version === 2) return;
  if (version instanceof Float && version.value === 2) return;
  const place = { path: [...path, 'version'] };
  if (isJsonObject(version)) {
    problems.error(place, `Invalid DSL: an entry can not be called 'version'`, "the word is taken: version: '2.0'");
    return;
  }
  problems.error(
    place,
    `Unsupported DSL version: ${typeof version === 'string' ? version : show(version)}`,
    "write version: '2.0'",
  );
}

/** Definitions are found by name in addresses and tables (spec/dsl.md §3, D-4.2). */
function checkStoredName(name: string, place: { path: Path; at?: 'key' }, problems: Problems): void {
  if (name === '') problems.error(place, "Invalid DSL: '' is too short", 'give it a name');
  if (name.includes(' '))
    problems.error(
      place,
      `Name '${name}' must not contain spaces`,
      `for instance '${name.trim().replaceAll(/ +/g, '_')}'`,
    );
}

function checkTask(name: string, task: Json, shape: Shape, path: Path, problems: Problems): void {
  checkTaskName(name, task, path, problems);
  if (!isMapping(task, path, problems)) return;
  checkShape(task, shape, path, problems);
  const call = textOf(own(task, 'action')) ?? textOf(own(task, 'workflow'));
  const hasInline = call !== null && (parseInlineCall(call)?.values.length ?? 0) > 0;
  if (hasInline && typeof own(task, 'input') === 'string') {
    problems.error(
      { path: [...path, 'input'] },
      `Invalid DSL: 'input' must be a dictionary when parameters are given inline [task=${name}]`,
      "move the inline parameters into 'input'",
    );
  }
}

function checkTaskName(name: string, task: Json, path: Path, problems: Problems): void {
  const place = { path, at: 'key' } as const;
  const length = [...name].length;
  if (name === 'version') problems.error(place, `Invalid DSL: a task can not be called 'version'`, 'rename the task');
  if (length > MAX_TASK_NAME) {
    problems.error(
      place,
      `The length of a '${name}' task name must not exceed ${MAX_TASK_NAME} symbols`,
      `it has ${length}`,
    );
    return;
  }
  const join = isJsonObject(task) ? own(task, 'join') : undefined;
  if (length > MAX_JOIN_NAME && join !== undefined && join !== 0 && join !== null && join !== '') {
    problems.error(
      place,
      `The length of a '${name}' join task name must not exceed ${MAX_JOIN_NAME} symbols`,
      `it has ${length}`,
    );
  }
}

function isMapping(value: Json, path: Path, problems: Problems): value is JsonObject {
  if (isJsonObject(value)) return true;
  const name = path.at(-1);
  const isKeyword = typeof name === 'string' && path.at(-2) === 'tasks' && TASK_KEYWORDS.has(name);
  const guess = isKeyword
    ? `indent '${name}' deeper, so that it stands inside of a task`
    : hintForValue(value, { mapping: true, list: false, condition: false, word: false }, path);
  problems.error(
    { path, at: value === null ? 'key' : 'value' },
    `Invalid DSL: ${show(value)} is not of type 'object'`,
    guess === null ? 'it must be a mapping: key: value' : `${guess}; it must be a mapping: key: value`,
  );
  return false;
}

function keysOf(value: Json | undefined): readonly string[] {
  return isJsonObject(value) ? Object.keys(value) : [];
}

/** Keywords that stand inside of a workflow. */
const SECTIONS = new Set(['tasks', 'input', 'output', 'vars', 'task-defaults']);
const TASK_KEYWORDS = new Set(
  [DIRECT_TASK, REVERSE_TASK].flatMap(({ mappings = [] }) =>
    mappings.flatMap(({ keywords = {} }) => Object.keys(keywords)),
  ),
);
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
