import { hasExpression, references } from '../expressions/index.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import type { Path, Place, Problems } from '../problems.ts';
import { clausePublish } from './on-clause.ts';
import { own } from './policies.ts';
import { CLAUSE_KEYS, type ClauseKey } from './task.ts';
import type { ActionSpec, InputParameter, TaskSpec, WorkflowSpec } from './types.ts';
import { CLAUSE_OUTCOMES, type Moment, type Outcome, VariableFlow } from './variable-flow.ts';

/**
 * Warns of inputs that no expression reads, of variables that nothing sets before they are read, on whatever path, and of tasks
 * that expressions name and the workflow does not have. An environment sets no variables, it is read by `env()`
 * (spec/engine.md §4, E-5.6).
 */
export function checkVariables(spec: WorkflowSpec, written: JsonObject, path: Path, problems: Problems): void {
  const reads = readsOf(spec, written, path);
  if (!reads.wholeContext && !problems.hasDamage) warnOfUnusedInput(spec, spec.input, reads.used, 'it', path, problems);
  warnOfUnset(spec, reads, problems);
  warnOfUnknownTasks(spec, reads, problems);
}

/** The same for an ad-hoc action: its `output` sees the result of the base only, its `base-input` the caller's context as well. */
export function checkActionVariables(spec: ActionSpec, written: JsonObject, path: Path, problems: Problems): void {
  const reads = new Reads();
  for (const key of ['base', 'base-input']) reads.collect(own(written, key) ?? null, [...path, key], ANYWHERE);
  if (!reads.wholeContext && !problems.hasDamage)
    warnOfUnusedInput(spec, spec.input, reads.used, "it in 'base-input'", path, problems);
  const known = new Set(spec.input.map(({ name }) => name));
  for (const read of reads.variables) {
    if (known.has(read.name)) continue;
    const near = problems.spelling.didYouMean(read.name, known);
    if (near === null) continue;
    problems.warning(placeOf(read), `Variable '${read.name}' is no input of this action`, near);
  }
}

/** What an expression sees besides input and `vars`. */
interface View {
  /** null: it cannot be told, or is not evaluated. */
  readonly moment: Moment | null;
  /** Variables of items that are known here. */
  readonly items: readonly string[];
}

/** Seen by expressions of which nothing can be told but that some place of the workflow must set what they read. */
const ANYWHERE: View = { moment: null, items: [] };

interface Read {
  readonly name: string;
  readonly place: Place;
  readonly text: string;
  readonly view: View | 'vars';
}

class Reads {
  /** Each variable once for each text that reads it. */
  readonly variables: Read[] = [];
  readonly tasks: { readonly name: string; readonly place: Place }[] = [];
  /** What is named anywhere, also where it is never evaluated. */
  readonly used = new Set<string>();
  /** Something reads the context as a whole, or may. */
  wholeContext = false;

  collect(value: Json, path: Path, view: View | 'vars'): void {
    if (typeof value === 'string') {
      this.read(value, { path }, view);
    } else if (Array.isArray(value)) {
      for (const [i, item] of (value as readonly Json[]).entries()) this.collect(item, [...path, i], view);
    } else if (isJsonObject(value)) {
      for (const key of Object.keys(value)) this.collect(value[key] ?? null, [...path, key], view);
    }
  }

  /** Transitions, which may hold expressions in keys as well: `{'fail(msg=<% $.x %>)': <% $.y %>}`. */
  collectTransitions(value: Json, path: Path, view: View): void {
    if (Array.isArray(value)) {
      for (const [i, item] of (value as readonly Json[]).entries()) this.collectTransitions(item, [...path, i], view);
    } else if (isJsonObject(value)) {
      for (const key of Object.keys(value)) {
        this.read(key, { path: [...path, key], at: 'key' }, view);
        this.collect(value[key] ?? null, [...path, key], view);
      }
    } else {
      this.collect(value, path, view);
    }
  }

  /** Counts as a use, but is never evaluated. */
  collectUnevaluated(value: Json): void {
    for (const name of references(value).variables) this.used.add(name);
  }

  private read(text: string, place: Place, view: View | 'vars'): void {
    if (!hasExpression(text)) return;
    const { variables, tasks, functions, wholeContext } = references(text);
    if (wholeContext || variables.includes('*') || functions.some((name) => READS_ANYTHING.has(name))) {
      this.wholeContext = true;
    }
    const copes = wholeContext || COPES_WITHOUT.test(text);
    for (const name of variables) {
      if (name === '*') continue;
      this.used.add(name);
      if (!copes) this.variables.push({ name, place, text, view });
    }
    for (const name of tasks) this.tasks.push({ name, place: within(place, offsetOfTask(name, text)) });
  }
}

/** Functions through which an expression can get at the input without naming it. */
const READS_ANYTHING = new Set(['execution', 'executions']);

/** What expressions say that look whether a variable is there. */
const COPES_WITHOUT = /\.get\(|\?\.|\bdefined\b|\|\s*(?:default|d)\b/;

function placeOf({ name, place, text }: Read): Place {
  return within(place, offsetOf(name, text));
}

function within(place: Place, offset: number): Place {
  return place.at === 'key' ? place : { ...place, offset };
}

function offsetOf(name: string, text: string): number {
  const found = new RegExp(`[$_]\\.${escaped(name)}(?![\\p{L}\\p{N}_])`, 'u').exec(text);
  return found === null ? 0 : found.index + 2;
}

function offsetOfTask(name: string, text: string): number {
  const found = new RegExp(`\\btask\\((?:[^()]*[\\s,'"=>(])?(?=${escaped(name)}['"\\s,)])`, 'u').exec(text);
  return found === null ? 0 : found.index + found[0].length;
}

function escaped(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

function readsOf(spec: WorkflowSpec, written: JsonObject, path: Path): Reads {
  const reads = new Reads();
  const collect = (section: string, view: View | 'vars'): void =>
    reads.collect(own(written, section) ?? null, [...path, section], view);
  collect('vars', 'vars');
  collect('output', { moment: { kind: 'end', isSuccess: true }, items: [] });
  collect('output-on-error', { moment: { kind: 'end', isSuccess: false }, items: [] });
  const defaults = own(written, 'task-defaults');
  if (isJsonObject(defaults)) {
    for (const key of Object.keys(defaults)) {
      reads.collectTransitions(defaults[key] ?? null, [...path, 'task-defaults', key], ANYWHERE);
    }
  }
  const tasks = own(written, 'tasks');
  for (const task of spec.tasks.values()) {
    const raw = isJsonObject(tasks) ? own(tasks, task.name) : undefined;
    if (isJsonObject(raw)) collectTask(reads, task, raw, [...path, 'tasks', task.name]);
  }
  return reads;
}

function collectTask(reads: Reads, task: TaskSpec, raw: JsonObject, path: Path): void {
  for (const key of Object.keys(raw)) {
    const value = raw[key] ?? null;
    if (NOT_EVALUATED.has(key)) reads.collectUnevaluated(value);
    else if (isClause(key)) collectClause(reads, task, key, value, [...path, key]);
    else reads.collect(value, [...path, key], viewOf(task, key));
  }
}

const NOT_EVALUATED = new Set([
  'description',
  'tags',
  'name',
  'version',
  'type',
  'join',
  'requires',
  'keep-result',
  'safe-rerun',
]);
const SEES_ITEMS = new Set(['action', 'workflow', 'input']);
const ANY_END: readonly Outcome[] = ['SUCCESS', 'ERROR', 'SKIPPED'];

function viewOf(task: TaskSpec, key: string): View {
  // A target sees what the action was given, too, which may have any names.
  if (key === 'target') return ANYWHERE;
  if (key === 'retry') return { moment: { kind: 'after', task: task.name, outcomes: ANY_END }, items: [] };
  const items = SEES_ITEMS.has(key) ? task.withItems.map(({ variable }) => variable) : [];
  return { moment: { kind: 'before', task: task.name }, items };
}

function isClause(key: string): key is ClauseKey {
  return (CLAUSE_KEYS as readonly string[]).includes(key);
}

function collectClause(reads: Reads, task: TaskSpec, key: ClauseKey, clause: Json, path: Path): void {
  const after: View = { moment: { kind: 'after', task: task.name, outcomes: CLAUSE_OUTCOMES[key] }, items: [] };
  const publish = clausePublish(clause);
  const isAdvanced = isJsonObject(clause) && (publish !== null || Object.hasOwn(clause, 'next'));
  if (!isAdvanced) return reads.collectTransitions(clause, path, after);
  reads.collect(publish, [...path, 'publish'], { moment: { kind: 'before', task: task.name }, items: [] });
  reads.collectTransitions(own(clause, 'next') ?? null, [...path, 'next'], after);
}

function warnOfUnusedInput(
  spec: { readonly raw: JsonObject },
  input: readonly InputParameter[],
  used: ReadonlySet<string>,
  where: string,
  path: Path,
  problems: Problems,
): void {
  for (const { name } of input) {
    if (used.has(name)) continue;
    problems.warning(
      { path: [...path, 'input', indexOfInput(spec.raw, name)] },
      `Input '${name}' is never used`,
      `read ${where} as <% $.${name} %>, or remove it`,
    );
  }
}

function indexOfInput(raw: JsonObject, name: string): number {
  const input = own(raw, 'input');
  const items: readonly Json[] = Array.isArray(input) ? input : [];
  return items.findLastIndex((item) => item === name || (isJsonObject(item) && Object.hasOwn(item, name)));
}

function warnOfUnset(spec: WorkflowSpec, reads: Reads, problems: Problems): void {
  const always = new Set([...SYSTEM_NAMES, ...spec.input.map(({ name }) => name)]);
  const vars = new Set(Object.keys(spec.vars ?? {}));
  const sources = sourcesOf(spec);
  const near = new Map<string, string | null>();
  const nearTo = (name: string): string | null => {
    const known = near.get(name);
    if (known !== undefined) return known;
    const found = problems.spelling.didYouMean(name, new Set([...always, ...vars, ...sources.keys()]));
    near.set(name, found);
    return found;
  };
  // What is in error may be what would set it.
  const isSound = problems.errorCount === 0;
  let flow: VariableFlow | null = null;
  for (const read of reads.variables) {
    const { name, view } = read;
    if (always.has(name)) continue;
    const source = sources.get(name);
    if (source === undefined && !vars.has(name)) {
      if (!isSound && nearTo(name) === null) continue;
      problems.warning(
        placeOf(read),
        `Variable '${name}' is read, but nothing in this workflow sets it`,
        spec.tasks.has(name)
          ? `the result of a task is read as <% task(${name}).result %>`
          : (nearTo(name) ?? `publish '${name}' in a task, or declare it in 'input' or 'vars'`),
      );
    } else if (!isSound) {
      continue;
    } else if (view === 'vars') {
      problems.warning(placeOf(read), `Variable '${name}' is read in 'vars', which see the input only`, LATER);
    } else if (!vars.has(name) && source !== undefined && view.moment !== null && !view.items.includes(name)) {
      flow ??= new VariableFlow(spec, new Set(reads.variables.map((other) => other.name)));
      const { moment } = view;
      if (moment.kind !== 'end' && !flow.isAlive(moment.task)) continue;
      if (!flow.maySee(name, moment)) warnOfLate(name, placeOf(read), moment, source, flow, problems);
    }
  }
}

const LATER = 'what is computed from other variables belongs into the publish of a task';
const SYSTEM_NAMES = ['openstack', '__env', '__execution', '__task_execution'];

/** Which tasks set a variable, and how. */
interface Source {
  readonly publishers: { readonly task: string; readonly outcomes: readonly Outcome[] }[];
  readonly items: string[];
}

function sourcesOf(spec: WorkflowSpec): ReadonlyMap<string, Source> {
  const sources = new Map<string, Source>();
  const sourceOf = (name: string): Source => {
    const source = sources.get(name) ?? { publishers: [], items: [] };
    sources.set(name, source);
    return source;
  };
  for (const task of spec.tasks.values()) {
    for (const { variable } of task.withItems) sourceOf(variable).items.push(task.name);
    const outcomes = new Map<string, Outcome[]>();
    for (const outcome of ANY_END) {
      const { branch, global } = task.publish[outcome];
      for (const name of new Set([...Object.keys(branch ?? {}), ...Object.keys(global ?? {})])) {
        outcomes.set(name, [...(outcomes.get(name) ?? []), outcome]);
      }
    }
    for (const [name, ends] of outcomes) sourceOf(name).publishers.push({ task: task.name, outcomes: ends });
  }
  return sources;
}

function warnOfLate(
  name: string,
  place: Place,
  moment: Moment,
  { publishers, items }: Source,
  flow: VariableFlow,
  problems: Problems,
): void {
  const publisher = publishers.find(({ task }) => flow.isAlive(task)) ?? publishers[0];
  if (publisher === undefined) {
    const [task = ''] = items;
    return problems.warning(
      place,
      `Variable '${name}' is read, but it is known only where '${task}' runs its action for each item`,
      `it can be read in 'input' of '${task}'; what the items gave is task(${task}).result`,
    );
  }
  problems.warning(place, `Variable '${name}' is read, but nothing that runs before sets it`, reason());

  function reason(): string {
    const { task, outcomes } = publisher ?? { task: '', outcomes: [] };
    if (!flow.isAlive(task)) return `'${task}' publishes it, but can never start`;
    if (moment.kind === 'before' && task === moment.task) return `'${task}' itself publishes it, once it has completed`;
    if (moment.kind === 'after' && task === moment.task) {
      return `'${task}' publishes it only ${outcomes.map((outcome) => WHEN[outcome]).join(' or ')}`;
    }
    const when = outcomes.includes('SUCCESS') ? '' : ` ${outcomes.map((outcome) => WHEN[outcome]).join(' or ')}`;
    if (moment.kind === 'end') return `'${task}' publishes it only${when}, after which the workflow fails`;
    return `'${task}' publishes it${when === '' ? '' : ` only${when}`}, and no way leads from there to here`;
  }
}

const WHEN: Readonly<Record<Outcome, string>> = {
  SUCCESS: 'when it succeeds',
  ERROR: 'when it fails',
  SKIPPED: 'when it is skipped',
};

function warnOfUnknownTasks(spec: WorkflowSpec, reads: Reads, problems: Problems): void {
  for (const { name, place } of reads.tasks) {
    if (spec.tasks.has(name)) continue;
    problems.warning(
      place,
      `Task '${name}' is not in this workflow: task('${name}') is null`,
      problems.spelling.didYouMeanOneOf(name, [...spec.tasks.keys()], 'tasks are'),
    );
  }
}
