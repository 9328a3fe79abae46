import { parseWorkbook, parseWorkflows, type WorkflowSpec } from '../../dsl/index.ts';
import { graphData } from '../../dsl/graph-data.ts';
import { drawGraph, type GraphFormat, graphSize, MOST_DRAWN } from '../graph/index.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { type Program, readProgram } from './program.ts';
import { readTextFile } from './settings.ts';

export interface GraphOptions {
  readonly workflow?: string;
  readonly format: GraphFormat;
}

/** Prints the task graph of one workflow. */
export function graphCommand(file: string, options: GraphOptions, terminal: Terminal): ExitCode {
  const program = readProgram(file, readTextFile(file), options.workflow ?? null, false, terminal);
  const graph = graphData(specOf(program), program.workflow);
  const size = graphSize(graph);
  if (options.format === 'svg' && size > MOST_DRAWN.command) {
    throw new UsageError(
      `${program.workflow} has ${size} nodes and edges, at most ${MOST_DRAWN.command} are drawn; write it with --format dot and draw that with Graphviz`,
    );
  }
  const { text } = drawGraph(graph, options.format);
  terminal.out(text.endsWith('\n') ? text : `${text}\n`);
  return 0;
}

/** The workflow that the program is about. */
export function specOf({ kind, text, workflow }: Program): WorkflowSpec {
  const { specs, prefix } =
    kind === 'workflow' ? { specs: parseWorkflows(text).specs, prefix: '' } : workbookSpecs(text);
  const spec = specs.find(({ name }) => `${prefix}${name}` === workflow);
  if (spec === undefined) throw new UsageError(`there is no workflow '${workflow}'`);
  return spec;
}

function workbookSpecs(text: string): { specs: readonly WorkflowSpec[]; prefix: string } {
  const { spec } = parseWorkbook(text);
  return { specs: spec.workflows, prefix: `${spec.name}.` };
}
