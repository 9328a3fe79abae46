import { graphOf, reachable, stronglyConnected, type WorkflowGraph } from '../graph.ts';
import type { TaskSpec, Transition, WorkflowSpec } from './types.ts';

export type Outcome = 'SUCCESS' | 'ERROR' | 'SKIPPED';
const OUTCOMES: readonly Outcome[] = ['SUCCESS', 'ERROR', 'SKIPPED'];

/** The ends of a task after which its clauses are looked at; a skipped task goes on by `on-success` where `on-skip` says nothing. */
export const CLAUSE_OUTCOMES = {
  'on-success': ['SUCCESS', 'SKIPPED'],
  'on-error': ['ERROR'],
  'on-complete': OUTCOMES,
  'on-skip': ['SKIPPED'],
} as const satisfies Record<string, readonly Outcome[]>;

/** When an expression is evaluated, which decides what it can see (spec/engine.md E-5.6). */
export type Moment =
  /** The inbound context: policies, sources of items, publish. */
  | { readonly kind: 'before'; readonly task: string }
  /** The outbound context after one of these ends: conditions, messages, retry. */
  | { readonly kind: 'after'; readonly task: string; readonly outcomes: readonly Outcome[] }
  /** The final context. */
  | { readonly kind: 'end'; readonly isSuccess: boolean };

/**
 * What tasks may have published at a moment, on whatever path: never says no where some run says yes. Branch variables flow along
 * transitions; global ones are seen by all that can run later, also in other branches.
 */
export class VariableFlow {
  private readonly spec: WorkflowSpec;
  private readonly graph: WorkflowGraph;
  private readonly alive: ReadonlySet<string>;
  private readonly branch: BranchFlow;
  private readonly globals: ReadonlyMap<string, readonly string[]>;
  private cyclic: ReadonlySet<string> | null = null;
  private readonly without = new Map<string, ReadonlySet<string>>();
  private budget = 2_000_000;

  /** Only these names will be asked for. */
  constructor(spec: WorkflowSpec, names: Iterable<string>) {
    this.spec = spec;
    this.graph = graphOf(spec);
    this.alive =
      spec.type === 'reverse' ? new Set(spec.tasks.keys()) : reachable(this.graph.startTasks, this.graph.targets);
    this.branch = branchFlow(spec, this.graph, this.alive, new Set(names));
    this.globals = publishers(spec, this.alive);
  }

  /** Nothing can be said of what a task reads that never starts. */
  isAlive(task: string): boolean {
    return this.alive.has(task);
  }

  maySee(name: string, moment: Moment): boolean {
    return this.branch.maySee(name, moment) || this.maySeeGlobal(name, moment);
  }

  private maySeeGlobal(name: string, moment: Moment): boolean {
    const from = this.globals.get(name) ?? [];
    if (moment.kind === 'end' || from.length === 0) return from.length > 0;
    return from.some((task) => this.mayPrecede(task, moment.task));
  }

  /** Whether `task` may have completed when `reader` runs: not, if it runs only after it and that runs once. */
  private mayPrecede(task: string, reader: string): boolean {
    if (task === reader || this.budget <= 0) return true;
    if (this.spec.type === 'reverse') return !this.reached(reader).has(task);
    return this.reached(reader).has(task) || !this.runsOnce(reader);
  }

  /** Direct workflows: what can run without `task`. Reverse ones: what requires it. */
  private reached(task: string): ReadonlySet<string> {
    const known = this.without.get(task);
    if (known !== undefined) return known;
    this.budget -= this.spec.tasks.size;
    const found =
      this.spec.type === 'reverse'
        ? reachable([task], this.graph.targets)
        : reachable(this.graph.startTasks, this.graph.targets, task);
    this.without.set(task, found);
    return found;
  }

  /** A task runs as often as transitions arrive, unless it is a join (spec/dsl.md D-5.4). */
  private runsOnce(task: string): boolean {
    this.cyclic ??= new Set(
      stronglyConnected(this.spec.tasks.keys(), this.graph.targets)
        .filter((group) => group.length > 1)
        .flat(),
    );
    for (let name = task; ; ) {
      if (this.cyclic.has(name)) return false;
      const [before, ...others] = this.graph.inbound(name);
      if (before === undefined || (this.spec.tasks.get(name)?.join ?? null) !== null) return true;
      if (others.length > 0 || before === name) return false;
      const arrivals = edgesFrom(this.spec.tasks.get(before)).filter(({ to }) => to === name);
      if (arrivals.length !== 1 || --this.budget <= 0) return false;
      name = before;
    }
  }
}

interface BranchFlow {
  maySee(name: string, moment: Moment): boolean;
}

const ANYTHING: BranchFlow = { maySee: () => true };
/** Words of 32 variables, kept and looked at: a text made to be slow gets no answer. Sound ones need a few per task. */
const MAX_WORDS = 5_000_000;
const MAX_STEPS = 20_000_000;

/** One bit for each variable: what may have been published on the way to each task. */
function branchFlow(
  spec: WorkflowSpec,
  graph: WorkflowGraph,
  alive: ReadonlySet<string>,
  names: ReadonlySet<string>,
): BranchFlow {
  const bits = new Map([...names].map((name, bit) => [name, bit]));
  const words = Math.ceil(bits.size / 32);
  if (words * spec.tasks.size > MAX_WORDS) return ANYTHING;
  const published = new Map([...alive].map((task) => [task, publishedBits(spec.tasks.get(task), bits)]));
  const inbound = new Map([...alive].map((task) => [task, new Uint32Array(words)]));
  const waiting = new Set(alive);
  let steps = 0;
  // A set is walked in the order of insertion, also over what is added on the way.
  for (const task of waiting) {
    waiting.delete(task);
    const own = inbound.get(task);
    if (own === undefined) continue;
    const edges = spec.type === 'reverse' ? reverseEdges(graph, task) : edgesFrom(spec.tasks.get(task));
    for (const { to, outcomes } of edges) {
      const target = inbound.get(to);
      if (target === undefined) continue;
      steps += words;
      if (steps > MAX_STEPS) return ANYTHING;
      let isNew = merge(target, own);
      for (const outcome of outcomes) isNew = addAll(target, published.get(task)?.[outcome] ?? []) || isNew;
      if (isNew) waiting.add(to);
    }
  }
  const ends = [finalNames(spec, alive, false), finalNames(spec, alive, true)] as const;
  return {
    maySee(name, moment) {
      if (moment.kind === 'end') return ends[moment.isSuccess ? 1 : 0].has(name);
      const bit = bits.get(name);
      if (bit === undefined) return false;
      const before = inbound.get(moment.task);
      if (before !== undefined && holds(before, bit)) return true;
      const own = published.get(moment.task);
      return moment.kind === 'after' && moment.outcomes.some((outcome) => own?.[outcome].includes(bit) ?? false);
    },
  };
}

function publishedBits(
  task: TaskSpec | undefined,
  bits: ReadonlyMap<string, number>,
): Readonly<Record<Outcome, readonly number[]>> {
  const bitsOf = (outcome: Outcome): readonly number[] => {
    const branch = task?.publish[outcome].branch ?? null;
    return branch === null ? NO_BITS : Object.keys(branch).flatMap((name) => bits.get(name) ?? []);
  };
  return { SUCCESS: bitsOf('SUCCESS'), ERROR: bitsOf('ERROR'), SKIPPED: bitsOf('SKIPPED') };
}

const NO_BITS: readonly number[] = [];

function holds(set: Uint32Array, bit: number): boolean {
  return ((set[bit >> 5] ?? 0) & (1 << (bit & 31))) !== 0;
}

function addAll(target: Uint32Array, bits: readonly number[]): boolean {
  let isNew = false;
  for (const bit of bits) {
    if (holds(target, bit)) continue;
    target[bit >> 5] = ((target[bit >> 5] ?? 0) | (1 << (bit & 31))) >>> 0;
    isNew = true;
  }
  return isNew;
}

/** What may be in the final context: a success has no failure that nothing handled, a failure any. */
function finalNames(spec: WorkflowSpec, alive: ReadonlySet<string>, isSuccess: boolean): ReadonlySet<string> {
  const names = new Set<string>();
  for (const name of alive) {
    const task = spec.tasks.get(name);
    if (task === undefined) continue;
    const mayFail = !isSuccess || task.onError.length + task.onComplete.length > 0;
    for (const outcome of OUTCOMES) {
      if (outcome === 'ERROR' && !mayFail) continue;
      for (const variable of Object.keys(task.publish[outcome].branch ?? {})) names.add(variable);
    }
  }
  return names;
}

function merge(target: Uint32Array, source: Uint32Array): boolean {
  let isNew = false;
  for (let word = 0; word < target.length; word++) {
    const before = target[word] ?? 0;
    const after = (before | (source[word] ?? 0)) >>> 0;
    if (after === before) continue;
    target[word] = after;
    isNew = true;
  }
  return isNew;
}

interface Edge {
  readonly to: string;
  readonly outcomes: readonly Outcome[];
}

function edgesFrom(task: TaskSpec | undefined): readonly Edge[] {
  if (task === undefined) return [];
  const edges = (transitions: readonly Transition[], outcomes: readonly Outcome[]): readonly Edge[] =>
    transitions.filter(({ command }) => command === null).map(({ to }) => ({ to, outcomes }));
  return [
    ...edges(task.onSuccess, CLAUSE_OUTCOMES['on-success']),
    ...edges(task.onError, CLAUSE_OUTCOMES['on-error']),
    ...edges(task.onComplete, CLAUSE_OUTCOMES['on-complete']),
    ...edges(task.onSkip, CLAUSE_OUTCOMES['on-skip']),
  ];
}

/** A task of a reverse workflow starts when those that it requires succeeded (spec/engine.md §18). */
function reverseEdges(graph: WorkflowGraph, task: string): readonly Edge[] {
  return graph.targets(task).map((to) => ({ to, outcomes: ['SUCCESS', 'SKIPPED'] }));
}

/** Who publishes each global variable, of those that can run. */
function publishers(spec: WorkflowSpec, alive: ReadonlySet<string>): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const name of alive) {
    const task = spec.tasks.get(name);
    const variables = new Set(OUTCOMES.flatMap((outcome) => Object.keys(task?.publish[outcome].global ?? {})));
    for (const variable of variables) {
      const tasks = found.get(variable);
      if (tasks === undefined) found.set(variable, [name]);
      else tasks.push(name);
    }
  }
  return found;
}
