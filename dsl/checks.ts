import { graphOf, reachable, stronglyConnected, type WorkflowGraph } from './graph.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import type { Path, Problems } from './problems.ts';
import { isEngineCommand, transitionsOf } from './spec/on-clause.ts';
import { own } from './spec/policies.ts';
import { CLAUSE_KEYS, textsOf } from './spec/task.ts';
import { ENGINE_COMMANDS, type TaskSpec, type WorkflowSpec } from './spec/types.ts';

/**
 * The rules that need the whole workflow (spec/dsl.md D-4.5), and warnings about what can never happen. `written` is the
 * author's mapping at `path`; its shape has been checked before, which said everything after the first `since` findings.
 */
export function checkWorkflowGraph(
  spec: WorkflowSpec,
  written: JsonObject,
  path: Path,
  problems: Problems,
  since: number,
): void {
  for (const task of spec.tasks.values()) warnOfCommandName(task, path, problems);
  // Of tasks that could not be read nobody knows what they are called.
  if (problems.hasDamageBelow([...path, 'tasks'], (rest, extent) => rest.length === 0 && extent !== 'key')) return;
  if (problems.hasDamageBelow(path, (rest, extent) => rest.length === 0 && extent !== 'key')) return;
  if (spec.type === 'reverse') checkRequires(spec, written, path, problems);
  else checkTransitions(spec, written, path, problems, since);
}

/** Only what a run could not do without, for a text that is taken unchecked: whoever is led to or required is there. */
export function checkNamedTasks(spec: WorkflowSpec, written: JsonObject, path: Path, problems: Problems): void {
  if (spec.type === 'reverse') checkRequires(spec, written, path, problems);
  else checkLinks(spec, written, path, problems);
}

function warnOfCommandName(task: TaskSpec, path: Path, problems: Problems): void {
  if (!isEngineCommand(task.name)) return;
  problems.warning(
    { path: [...path, 'tasks', task.name], at: 'key' },
    `Task '${task.name}' has the name of an engine command: a transition to '${task.name}' runs the command`,
    'rename the task',
  );
}

function checkTransitions(
  spec: WorkflowSpec,
  written: JsonObject,
  path: Path,
  problems: Problems,
  since: number,
): void {
  const graph = graphOf(spec);
  const areClausesSound =
    !problems.hasErrorSince(since, (place) => isAboutClauses(place.slice(path.length))) &&
    !problems.hasDamageBelow(path, (rest, extent) => extent !== 'key' && isAboutClauses(rest));
  if (spec.tasks.size > 0 && graph.startTasks.length === 0 && areClausesSound) {
    problems.error(
      { path: [...path, 'tasks'], at: 'key' },
      `Failed to find start tasks in direct workflow. There must be at least one task without inbound transition.[workflow_name=${spec.name}]`,
      'every task is named in a clause: the one that is to start first must be named in none',
    );
  }
  const broken = checkLinks(spec, written, path, problems);
  if (!areClausesSound) return;
  for (const task of spec.tasks.values()) checkJoin(task, graph, broken, path, problems);
  if (broken.size === 0 && graph.startTasks.length > 0) warnOfDeadTasks(spec, graph, path, problems);
}

/** Errors in clauses, joins or whole tasks: with them, what is missing from the graph says nothing. */
function isAboutClauses(rest: Path): boolean {
  const [section, , key] = rest;
  if (section === undefined || section === 'task-defaults') return true;
  return (
    section === 'tasks' && (key === undefined || (typeof key === 'string' && (key.startsWith('on-') || key === 'join')))
  );
}

/** Returns the tasks with a transition that leads nowhere. */
function checkLinks(spec: WorkflowSpec, written: JsonObject, path: Path, problems: Problems): ReadonlySet<string> {
  const broken = new Set<string>();
  const defaults = own(written, 'task-defaults');
  const tasks = tasksOf(written);
  const names = new Set(Object.keys(tasks));
  if (isJsonObject(defaults) && checkClauses(names, defaults, [...path, 'task-defaults'], problems)) {
    for (const name of spec.tasks.keys()) broken.add(name);
  }
  for (const name of spec.tasks.keys()) {
    const task = own(tasks, name);
    if (isJsonObject(task) && checkClauses(names, task, [...path, 'tasks', name], problems)) broken.add(name);
  }
  return broken;
}

/** With those that are no mappings, which is an error of its own: who leads to them leads somewhere. */
function tasksOf(written: JsonObject): JsonObject {
  const tasks = own(written, 'tasks');
  return isJsonObject(tasks) ? tasks : {};
}

function checkClauses(names: ReadonlySet<string>, holder: JsonObject, path: Path, problems: Problems): boolean {
  let isBroken = false;
  for (const key of CLAUSE_KEYS) {
    for (const { path: inner, at, transition } of transitionsOf(own(holder, key))) {
      if (transition.command !== null || names.has(transition.to)) continue;
      isBroken = true;
      problems.error(
        { path: [...path, key, ...inner], at },
        `Task '${transition.to}' not found.`,
        problems.spelling.didYouMeanOneOf(transition.to, [...names, ...ENGINE_COMMANDS], 'tasks and commands are'),
      );
    }
  }
  return isBroken;
}

function checkJoin(
  task: TaskSpec,
  graph: WorkflowGraph,
  broken: ReadonlySet<string>,
  path: Path,
  problems: Problems,
): void {
  if (task.join === null) return;
  const inbound = graph.inbound(task.name);
  // A transition whose target is misspelt may have been meant for this join: its own error is enough.
  const possible = new Set([...inbound, ...broken]).size;
  const place = { path: [...path, 'tasks', task.name, 'join'], at: 'key' } as const;
  if (task.join === 'all') {
    if (possible > 0) return;
    problems.error(
      place,
      `No inbound tasks for task with 'join: all' [task_name=${task.name}]`,
      `name '${task.name}' in a clause of another task, or remove 'join'`,
    );
  } else if (possible < task.join) {
    const count = inbound.length;
    problems.error(
      place,
      `Not enough inbound tasks for task with 'join' [task_name=${task.name}, join=${task.join}, inbound_tasks=${count}]`,
      count === 0 ? "no task leads here: remove 'join'" : `tasks that lead here: ${inbound.join(', ')}`,
    );
  }
}

function warnOfDeadTasks(spec: WorkflowSpec, graph: WorkflowGraph, path: Path, problems: Problems): void {
  const alive = reachable(graph.startTasks, graph.targets);
  for (const name of spec.tasks.keys()) {
    if (alive.has(name)) continue;
    problems.warning(
      { path: [...path, 'tasks', name], at: 'key' },
      `Task '${name}' can never start: nothing leads to it from a start task`,
      `start tasks are: ${graph.startTasks.slice(0, 5).join(', ')}`,
    );
  }
  const cyclic = new Set(
    stronglyConnected(spec.tasks.keys(), graph.targets)
      .filter((group) => group.length > 1)
      .flat(),
  );
  for (const task of spec.tasks.values()) {
    if (task.join !== null && alive.has(task.name)) warnOfDeadJoin(task, spec, graph, alive, cyclic, path, problems);
  }
}

/** A join that waits for tasks which run only after it, never, or not together with another one that it waits for. */
function warnOfDeadJoin(
  task: TaskSpec,
  spec: WorkflowSpec,
  graph: WorkflowGraph,
  alive: ReadonlySet<string>,
  cyclic: ReadonlySet<string>,
  path: Path,
  problems: Problems,
): void {
  const inbound = graph.inbound(task.name);
  const needed = task.join === 'all' ? inbound.length : (task.join ?? 0);
  const before = cyclic.has(task.name) ? reachable(graph.startTasks, graph.targets, task.name) : alive;
  const possible = inbound.filter((name) => before.has(name));
  const place = { path: [...path, 'tasks', task.name, 'join'], at: 'key' } as const;
  if (needed > inbound.length) return; // an error already
  if (possible.length < needed) {
    const late = inbound.filter((name) => !before.has(name));
    problems.warning(
      place,
      `Join '${task.name}' can never be met: ${late.join(', ')} can not complete before it`,
      null,
    );
    return;
  }
  if (needed < inbound.length || needed < 2) return;
  const clash = exclusivePair(task.name, possible, spec, graph, cyclic);
  if (clash === null) return;
  problems.warning(
    place,
    `Join '${task.name}' can never be met: '${clash.left}' and '${clash.right}' follow different outcomes of '${clash.fork}'`,
    "use 'join: one', or lead both outcomes here by 'on-complete'",
  );
}

/** Keeps the search linear in long chains; a fork farther up goes unnoticed. */
const MAX_STEPS_UP = 100;

type Outcome = 'on-success' | 'on-error' | 'on-skip';

/** Two inbound tasks (or one task's two ways) that need different outcomes of one task that runs once. */
function exclusivePair(
  join: string,
  inbound: readonly string[],
  spec: WorkflowSpec,
  graph: WorkflowGraph,
  cyclic: ReadonlySet<string>,
): { left: string; right: string; fork: string } | null {
  const needed = new Map<string, { outcomes: ReadonlySet<Outcome>; by: string }>();
  for (const name of inbound) {
    for (const [fork, outcomes] of outcomesNeeded(join, name, spec, graph, cyclic)) {
      const other = needed.get(fork);
      if (other === undefined) needed.set(fork, { outcomes, by: name });
      else if (![...outcomes].some((outcome) => other.outcomes.has(outcome)))
        return { left: other.by, right: name, fork };
    }
  }
  return null;
}

/** Walks up from an inbound task of a join as long as there is one way only, noting what each task on it must end in. */
function outcomesNeeded(
  join: string,
  inbound: string,
  spec: WorkflowSpec,
  graph: WorkflowGraph,
  cyclic: ReadonlySet<string>,
): Map<string, ReadonlySet<Outcome>> {
  const needed = new Map<string, ReadonlySet<Outcome>>();
  let target = join;
  let name: string | undefined = inbound;
  for (let steps = 0; steps < MAX_STEPS_UP && name !== undefined && !cyclic.has(name); steps++) {
    const task = spec.tasks.get(name);
    if (task === undefined) break;
    needed.set(name, outcomesLeadingTo(task, target));
    const before: readonly string[] = graph.inbound(name);
    target = name;
    name = before.length === 1 ? before[0] : undefined;
  }
  return needed;
}

function outcomesLeadingTo(task: TaskSpec, target: string): ReadonlySet<Outcome> {
  const leads = (transitions: TaskSpec['onSuccess']): boolean =>
    transitions.some((t) => t.command === null && t.to === target);
  const outcomes = new Set<Outcome>();
  if (leads(task.onSuccess)) outcomes.add('on-success');
  if (leads(task.onError)) outcomes.add('on-error');
  if (leads(task.onSkip)) outcomes.add('on-skip');
  if (leads(task.onComplete))
    for (const outcome of ['on-success', 'on-error', 'on-skip'] as const) outcomes.add(outcome);
  return outcomes;
}

function checkRequires(spec: WorkflowSpec, written: JsonObject, path: Path, problems: Problems): void {
  const before = problems.errorCount;
  const defaults = own(written, 'task-defaults');
  const tasks = tasksOf(written);
  if (isJsonObject(defaults)) checkNames(tasks, defaults, [...path, 'task-defaults'], problems);
  for (const name of spec.tasks.keys()) {
    const task = own(tasks, name);
    if (isJsonObject(task)) checkNames(tasks, task, [...path, 'tasks', name], problems);
  }
  if (problems.errorCount === before) refuseCycles(spec, path, problems);
}

function checkNames(tasks: JsonObject, holder: JsonObject, path: Path, problems: Problems): void {
  const requires = own(holder, 'requires');
  for (const [i, name] of textsOf(requires).entries()) {
    if (Object.hasOwn(tasks, name)) continue;
    const place = { path: [...path, 'requires', ...(typeof requires === 'string' ? [] : [i])] };
    problems.error(
      place,
      `Task '${name}' not found.`,
      problems.spelling.didYouMeanOneOf(name, Object.keys(tasks), 'tasks are'),
    );
  }
}

/** spec/dsl.md §17-F. */
function refuseCycles(spec: WorkflowSpec, path: Path, problems: Problems): void {
  const requires = (name: string): readonly string[] => spec.tasks.get(name)?.requires ?? [];
  for (const group of stronglyConnected(spec.tasks.keys(), requires)) {
    const [first = ''] = group;
    if (group.length === 1 && !requires(first).includes(first)) continue;
    const names = [...spec.tasks.keys()].filter((name) => group.includes(name));
    const start = names[0] ?? first;
    problems.error(
      { path: [...path, 'tasks', start], at: 'key' },
      `Invalid DSL: dependency cycle: ${cycleThrough(start, group, requires).join(' requires ')}`,
      'none of these tasks could ever start',
    );
  }
}

function cycleThrough(
  start: string,
  group: readonly string[],
  requires: (name: string) => readonly string[],
): readonly string[] {
  const members = new Set(group);
  const from = new Map<string, string>();
  const waiting = [start];
  for (let i = 0; i < waiting.length; i++) {
    const name = waiting[i] ?? start;
    for (const next of requires(name)) {
      if (next === start) {
        const way = [start];
        for (let step: string | undefined = name; step !== undefined && step !== start; step = from.get(step))
          way.unshift(step);
        return [start, ...way];
      }
      if (!members.has(next) || from.has(next)) continue;
      from.set(next, name);
      waiting.push(next);
    }
  }
  return [start];
}
