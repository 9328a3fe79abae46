import { graphData, graphJson } from '../../dsl/graph-data.ts';
import type { WorkflowRow } from '../../engine/store/definitions.ts';
import { badRequest } from '../api-error.ts';
import { drawGraph, GRAPH_FORMATS, graphSize, isGraphFormat, MOST_DRAWN } from '../graph/index.ts';
import type { ApiRequest, Reply } from '../request.ts';
import { checkQuery } from '../request.ts';
import type { Services } from '../services.ts';

/** The task graph of a stored workflow; an addition to the reference's API. */
export async function workflowGraph({ finder }: Services, row: WorkflowRow, request: ApiRequest): Promise<Reply> {
  checkQuery(request, ['namespace', 'format']);
  const format = request.query.get('format') ?? 'json';
  if (!isGraphFormat(format)) {
    throw badRequest(`Unknown format '${format}' of a graph; there are: ${GRAPH_FORMATS.join(', ')}`);
  }
  const { spec } = await finder.toFound(row);
  const graph = graphData(spec, row.name);
  if (format === 'json') return { status: 200, body: graphJson(graph) };
  const size = graphSize(graph);
  if (format === 'svg' && size > MOST_DRAWN.server) {
    throw badRequest(
      `The graph has ${size} nodes and edges, at most ${MOST_DRAWN.server} are drawn as SVG; ask for format=dot, or use tramontane graph`,
    );
  }
  return { status: 200, text: drawGraph(graph, format) };
}
