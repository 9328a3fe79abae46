import type { GraphEdge, TaskNode } from '../../dsl/graph-data.ts';

/** What stands on a task's node below its name. */
export function notesOf(task: TaskNode): readonly string[] {
  return [
    `${task.run.type === 'workflow' ? 'workflow ' : ''}${shorten(task.run.name)}`,
    ...(task.join === null ? [] : [`join: ${task.join === 1 ? 'one' : task.join}`]),
    ...(task.withItems ? ['with-items'] : []),
    ...(task.isReachable ? [] : ['never runs']),
  ];
}

/** What stands on an edge: the clause, where it is not the usual one, and the condition. */
export function edgeLines(edge: GraphEdge): readonly string[] {
  const clause = edge.on === 'on-success' || edge.on === 'requires' ? [] : [edge.on];
  return edge.condition === null ? clause : [...clause, shorten(bare(edge.condition))];
}

/** An expression without its marks. */
function bare(expression: string): string {
  return /^\s*(?:<%|\{\{)\s*(.*?)\s*(?:%>|\}\})\s*$/s.exec(expression)?.[1] ?? expression;
}

export function shorten(text: string, limit = 32): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
