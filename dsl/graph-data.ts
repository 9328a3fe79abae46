import { graphOf, reachable } from './graph.ts';
import type { JsonObject } from './json.ts';
import type { EngineCommand, TaskSpec, Transition, WorkflowSpec, WorkflowType } from './spec/types.ts';

/** The task graph as plain data: what `tramontane graph` draws and `GET /v2/workflows/{id}/graph` answers. */
export interface GraphData {
  readonly workflow: string;
  readonly type: WorkflowType;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export type GraphNode = TaskNode | CommandNode;

export interface TaskNode {
  /** `task:` and the name. */
  readonly id: string;
  readonly kind: 'task';
  readonly name: string;
  /** What it runs; `name` may hold an expression. */
  readonly run: TaskSpec['run'];
  /** 'all' or a number of inbound tasks; null: no join. */
  readonly join: 'all' | number | null;
  readonly withItems: boolean;
  /** Nothing leads to it. */
  readonly isStart: boolean;
  /** False: no way leads to it from a start task, so it never runs. */
  readonly isReachable: boolean;
}

/** An engine command that one transition leads to; two transitions to the same command have a node each. */
export interface CommandNode {
  /** `command:` and a number. */
  readonly id: string;
  readonly kind: 'command';
  readonly command: EngineCommand;
  readonly message: string | null;
}

export interface GraphEdge {
  /** Ids of nodes. */
  readonly from: string;
  readonly to: string;
  /** `requires`: the edge of a reverse workflow, from the task that is required to the one that requires it. */
  readonly on: 'on-success' | 'on-error' | 'on-complete' | 'on-skip' | 'requires';
  /** The expression that must be true; null: always. */
  readonly condition: string | null;
}

export function graphData(spec: WorkflowSpec, name: string = spec.name): GraphData {
  const graph = graphOf(spec);
  const starts = new Set(graph.startTasks);
  const alive = reachable(graph.startTasks, graph.targets);
  const tasks = [...spec.tasks.values()].map(
    (task): TaskNode => ({
      id: taskId(task.name),
      kind: 'task',
      name: task.name,
      run: task.run,
      join: task.join,
      withItems: task.withItems.length > 0,
      isStart: starts.has(task.name),
      isReachable: alive.has(task.name),
    }),
  );
  const { commands, edges } = spec.type === 'direct' ? directEdges(spec) : reverseEdges(spec);
  return { workflow: name, type: spec.type, nodes: [...tasks, ...commands], edges };
}

/** The data as the wire and the command line show it: keys in snake case. */
export function graphJson({ workflow, type, nodes, edges }: GraphData): JsonObject {
  return {
    workflow,
    type,
    nodes: nodes.map(
      (node): JsonObject =>
        node.kind === 'command'
          ? { ...node }
          : {
              id: node.id,
              kind: node.kind,
              name: node.name,
              run: { ...node.run },
              join: node.join,
              with_items: node.withItems,
              is_start: node.isStart,
              is_reachable: node.isReachable,
            },
    ),
    edges: edges.map((edge) => ({ ...edge })),
  };
}

function taskId(name: string): string {
  return `task:${name}`;
}

interface Edges {
  readonly commands: readonly CommandNode[];
  readonly edges: readonly GraphEdge[];
}

function directEdges(spec: WorkflowSpec): Edges {
  const commands: CommandNode[] = [];
  const edges: GraphEdge[] = [];
  for (const task of spec.tasks.values()) {
    for (const [on, transitions] of clausesOf(task)) {
      for (const transition of transitions) {
        const to = transition.command === null ? taskId(transition.to) : `command:${commands.length + 1}`;
        if (transition.command !== null) {
          commands.push({ id: to, kind: 'command', command: transition.command, message: messageOf(transition) });
        }
        edges.push({ from: taskId(task.name), to, on, condition: transition.condition });
      }
    }
  }
  return { commands, edges };
}

function clausesOf(task: TaskSpec): readonly (readonly [GraphEdge['on'], readonly Transition[]])[] {
  return [
    ['on-success', task.onSuccess],
    ['on-error', task.onError],
    ['on-complete', task.onComplete],
    ['on-skip', task.onSkip],
  ];
}

function messageOf({ params }: Transition): string | null {
  return typeof params['msg'] === 'string' ? params['msg'] : null;
}

function reverseEdges(spec: WorkflowSpec): Edges {
  const edges = [...spec.tasks.values()].flatMap((task) =>
    task.requires.map(
      (required): GraphEdge => ({
        from: taskId(required),
        to: taskId(task.name),
        on: 'requires',
        condition: null,
      }),
    ),
  );
  return { commands: [], edges };
}
