import { type GraphData, graphJson } from '../../dsl/graph-data.ts';
import { stringifyJson } from '../../dsl/json.ts';
import { GRAPH_FORMATS, type GraphFormat } from './formats.ts';
import { toDot } from './dot.ts';
import { toMermaid } from './mermaid.ts';
import { toSvg } from './svg.ts';

export { GRAPH_FORMATS, type GraphFormat };

/** Nodes and edges beyond which a picture is not laid out: it would take long (here seconds, in a server parts of one). */
export const MOST_DRAWN = { command: 3000, server: 300 } as const;

export function graphSize({ nodes, edges }: GraphData): number {
  return nodes.length + edges.length;
}

export function isGraphFormat(text: string): text is GraphFormat {
  return (GRAPH_FORMATS as readonly string[]).includes(text);
}

/** @returns the text of the graph and its media type. */
export function drawGraph(graph: GraphData, format: GraphFormat): { readonly type: string; readonly text: string } {
  switch (format) {
    case 'dot':
      return { type: 'text/vnd.graphviz', text: toDot(graph) };
    case 'mermaid':
      return { type: 'text/vnd.mermaid', text: toMermaid(graph) };
    case 'svg':
      return { type: 'image/svg+xml', text: toSvg(graph) };
    case 'json':
      return { type: 'application/json', text: stringifyJson(graphJson(graph)) };
  }
}
