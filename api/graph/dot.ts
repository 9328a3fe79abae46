import { type GraphData, type GraphEdge, type GraphNode } from '../../dsl/graph-data.ts';
import { edgeLines, notesOf, shorten } from './labels.ts';

/** The graph in the language of Graphviz. */
export function toDot(graph: GraphData): string {
  return [
    `digraph ${quote(graph.workflow)} {`,
    '  rankdir=TB;',
    '  node [fontname="sans-serif", fontsize=11, shape=box, style=rounded];',
    '  edge [fontname="sans-serif", fontsize=9];',
    ...graph.nodes.map((node) => `  ${quote(node.id)} [${attributes(nodeAttributes(node))}];`),
    ...graph.edges.map((edge) => `  ${quote(edge.from)} -> ${quote(edge.to)}${bracketed(edgeAttributes(edge))};`),
    '}',
    '',
  ].join('\n');
}

type Attributes = Readonly<Record<string, string | undefined>>;

function nodeAttributes(node: GraphNode): Attributes {
  if (node.kind === 'command') {
    return {
      label: lines([node.command, ...(node.message === null ? [] : [shorten(node.message)])]),
      shape: 'ellipse',
      style: 'filled',
      fillcolor: COMMAND_COLORS[node.command],
    };
  }
  return {
    label: lines([node.name, ...notesOf(node)]),
    shape: node.join === null ? undefined : 'house',
    style: node.join === null ? undefined : 'solid',
    penwidth: node.isStart ? '2' : undefined,
    color: node.isReachable ? undefined : '#9aa0a6',
    fontcolor: node.isReachable ? undefined : '#9aa0a6',
  };
}

function edgeAttributes(edge: GraphEdge): Attributes {
  const labels = edgeLines(edge);
  return {
    label: labels.length === 0 ? undefined : lines(labels),
    color: EDGE_COLORS[edge.on],
    style: edge.condition === null ? undefined : 'dashed',
  };
}

function bracketed(values: Attributes): string {
  return ` [${attributes(values)}]`;
}

function attributes(values: Attributes): string {
  return Object.entries(values)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${quote(value)}`]))
    .join(', ');
}

/** Lines of a label; within quotes, `\n` is Graphviz's own sign for a new line. */
function lines(texts: readonly string[]): string {
  return texts.join('\n');
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '')}"`;
}

export const EDGE_COLORS: Readonly<Record<GraphEdge['on'], string>> = {
  'on-success': '#2e7d32',
  'on-error': '#c62828',
  'on-complete': '#455a64',
  'on-skip': '#8d6e63',
  requires: '#455a64',
};

export const COMMAND_COLORS = { fail: '#f6c6c6', succeed: '#c8e6c9', pause: '#fff3c4', noop: '#eceff1' } as const;
