import type { GraphData, GraphEdge, GraphNode } from '../../dsl/graph-data.ts';
import { COMMAND_COLORS, EDGE_COLORS } from './dot.ts';
import { edgeLines, notesOf, shorten } from './labels.ts';

/** The graph as a Mermaid flowchart, which web pages of repositories draw. */
export function toMermaid(graph: GraphData): string {
  // Names may hold what Mermaid gives a meaning, so nodes are numbered.
  const ids = new Map(graph.nodes.map((node, i) => [node.id, `n${i}`]));
  const id = (node: string): string => ids.get(node) ?? 'n';
  return [
    'flowchart TD',
    ...graph.nodes.map((node) => `  ${id(node.id)}${box(node)}`),
    ...graph.edges.map((edge) => `  ${id(edge.from)} ${arrow(edge)} ${id(edge.to)}`),
    ...graph.edges.map((edge, i) => `  linkStyle ${i} stroke:${EDGE_COLORS[edge.on]}`),
    ...graph.nodes.flatMap((node) => styleOf(node).map((style) => `  style ${id(node.id)} ${style}`)),
    '',
  ].join('\n');
}

function box(node: GraphNode): string {
  if (node.kind === 'command') {
    return `([${text([node.command, ...(node.message === null ? [] : [shorten(node.message)])])}])`;
  }
  const label = text([node.name, ...notesOf(node)]);
  return node.join === null ? `(${label})` : `[/${label}\\]`;
}

function arrow(edge: GraphEdge): string {
  const labels = edgeLines(edge);
  const line = edge.condition === null ? '-->' : '-.->';
  return labels.length === 0 ? line : `${line}|${text(labels)}|`;
}

function styleOf(node: GraphNode): readonly string[] {
  if (node.kind === 'command') return [`fill:${COMMAND_COLORS[node.command]}`];
  if (!node.isReachable) return ['stroke-dasharray:4,color:#9aa0a6'];
  return node.isStart ? ['stroke-width:2px'] : [];
}

/** Within quotes Mermaid reads entities (`#` and a code point) and `<br/>`. */
function text(lines: readonly string[]): string {
  return `"${lines.map((line) => line.replaceAll(/[^\p{L}\p{N} _.,:;()=+*/'…-]/gu, entity)).join('<br/>')}"`;
}

function entity(character: string): string {
  return `#${character.codePointAt(0) ?? 63};`;
}
