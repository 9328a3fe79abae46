import type { TaskSpec, Transition, WorkflowSpec } from './spec/types.ts';

/**
 * The task graph of one workflow. Direct workflows: edges are transitions of any clause, engine commands are none. Reverse
 * workflows: edges lead from a required task to the one that requires it, and there are no joins.
 */
export interface WorkflowGraph {
  /** Tasks to which no edge leads, in the order of the text. */
  readonly startTasks: readonly string[];
  /** Distinct names of the tasks with an edge to this one. */
  inbound(task: string): readonly string[];
  /** Distinct names of the tasks to which edges lead from this one. */
  targets(task: string): readonly string[];
  /** Joins that can be reached from the task by any edges, each way ending at the first join on it. */
  joinsAfter(task: string): readonly string[];
}

/** Takes time linear in tasks and transitions once; answers are looked up afterwards. */
export function graphOf(spec: WorkflowSpec): WorkflowGraph {
  const known = GRAPHS.get(spec);
  if (known !== undefined) return known;
  const graph = buildGraph(spec);
  GRAPHS.set(spec, graph);
  return graph;
}

/** The transitions of all clauses of a task. */
export function transitionsFrom(task: TaskSpec): readonly Transition[] {
  return [...task.onSuccess, ...task.onError, ...task.onComplete, ...task.onSkip];
}

/** All nodes that edges lead to from `starts`, these included; `without` is never entered. */
export function reachable(
  starts: Iterable<string>,
  targets: (node: string) => readonly string[],
  without?: string,
): Set<string> {
  const seen = new Set<string>();
  const waiting = [...starts];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node === without || seen.has(node)) continue;
    seen.add(node);
    waiting.push(...targets(node));
  }
  return seen;
}

/**
 * Groups of nodes that can reach each other (Tarjan's algorithm without recursion). A group comes after all groups that edges
 * lead to from it.
 */
export function stronglyConnected(
  nodes: Iterable<string>,
  targets: (node: string) => readonly string[],
): readonly (readonly string[])[] {
  const groups: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const enter = (node: string): Visit => {
    index.set(node, index.size);
    low.set(node, index.size - 1);
    open.push(node);
    isOpen.add(node);
    return { node, targets: targets(node), next: 0 };
  };
  const lower = (node: string, to: number): void => void low.set(node, Math.min(low.get(node) ?? 0, to));
  const leave = (node: string): void => {
    if (low.get(node) !== index.get(node)) return;
    const group = open.splice(open.lastIndexOf(node));
    for (const member of group) isOpen.delete(member);
    groups.push(group);
  };
  for (const start of nodes) {
    if (index.has(start)) continue;
    const visits = [enter(start)];
    for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
      const target = visit.targets[visit.next++];
      if (target === undefined) {
        visits.pop();
        leave(visit.node);
        const caller = visits.at(-1);
        if (caller !== undefined) lower(caller.node, low.get(visit.node) ?? 0);
      } else if (!index.has(target)) {
        visits.push(enter(target));
      } else if (isOpen.has(target)) {
        lower(visit.node, index.get(target) ?? 0);
      }
    }
  }
  return groups;
}

interface Visit {
  readonly node: string;
  readonly targets: readonly string[];
  next: number;
}

const GRAPHS = new WeakMap<WorkflowSpec, WorkflowGraph>();
const NONE: readonly string[] = [];

function buildGraph(spec: WorkflowSpec): WorkflowGraph {
  const { targets, inbound } = spec.type === 'direct' ? directEdges(spec) : reverseEdges(spec);
  const targetsOf = (task: string): readonly string[] => targets.get(task) ?? NONE;
  const inboundOf = (task: string): readonly string[] => inbound.get(task) ?? NONE;
  let joins: ReadonlyMap<string, readonly string[]> | null = null;
  return {
    startTasks: [...spec.tasks.keys()].filter((task) => inboundOf(task).length === 0),
    inbound: inboundOf,
    targets: targetsOf,
    joinsAfter: (task) => {
      joins ??= firstJoins(spec, targetsOf);
      return joins.get(task) ?? NONE;
    },
  };
}

type Edges = Map<string, readonly string[]>;

function directEdges(spec: WorkflowSpec): { targets: Edges; inbound: Edges } {
  const edges = [...spec.tasks.values()].flatMap((task) =>
    transitionsFrom(task)
      .filter((transition) => transition.command === null && spec.tasks.has(transition.to))
      .map((transition) => [task.name, transition.to] as const),
  );
  return edgesOf(edges);
}

function reverseEdges(spec: WorkflowSpec): { targets: Edges; inbound: Edges } {
  return edgesOf(
    [...spec.tasks.values()].flatMap((task) => task.requires.map((required) => [required, task.name] as const)),
  );
}

function edgesOf(edges: readonly (readonly [string, string])[]): { targets: Edges; inbound: Edges } {
  const targets = new Map<string, Set<string>>();
  const inbound = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    addTo(targets, from, to);
    addTo(inbound, to, from);
  }
  return { targets: listed(targets), inbound: listed(inbound) };
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function listed(sets: ReadonlyMap<string, ReadonlySet<string>>): Edges {
  return new Map([...sets].map(([key, set]) => [key, [...set]]));
}

/**
 * Tasks in one cycle reach the same joins, so the answer is worked out per group, the groups behind it first. A group with
 * one source of joins shares that list, which keeps chains linear.
 */
function firstJoins(
  spec: WorkflowSpec,
  targetsOf: (task: string) => readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const isJoin = (task: string): boolean => (spec.tasks.get(task)?.join ?? null) !== null;
  const plainTargets = (task: string): readonly string[] => targetsOf(task).filter((target) => !isJoin(target));
  const joins = new Map<string, readonly string[]>();
  for (const group of stronglyConnected(spec.tasks.keys(), plainTargets)) {
    const members = new Set(group);
    const direct = new Set(group.flatMap((task) => targetsOf(task).filter(isJoin)));
    const behind = group.flatMap((task) => plainTargets(task).filter((target) => !members.has(target)));
    const sources = [...new Set([[...direct], ...behind.map((task) => joins.get(task) ?? NONE)])].filter(
      (list) => list.length > 0,
    );
    const [only = NONE] = sources;
    const all = sources.length <= 1 ? only : [...new Set(sources.flat())];
    for (const task of group) joins.set(task, all);
  }
  return joins;
}
