import { type Command, Option } from 'commander';
import { GRAPH_FORMATS } from '../graph/index.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { type GraphOptions, graphCommand } from './graph.ts';
import { schemaCommand } from './schema.ts';

/** The commands about definitions that run nothing: each is added to `program`, and `ended` is told its exit code. */
export function addDefinitionCommands(program: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  program
    .command('graph')
    .description('Print the task graph of a workflow.')
    .argument('<file>', 'a workbook, or a text with one or more workflows')
    .option('--workflow <name>', 'which of several workflows')
    .addOption(new Option('--format <format>', 'how to print it').choices(GRAPH_FORMATS).default('dot'))
    .addHelpText(
      'after',
      `
Examples:
  tramontane graph workflow.yaml --format svg > workflow.svg
  tramontane graph workbook.yaml --workflow nightly --format mermaid

Joins have a bar or a roof, engine commands are pills, conditional edges are dashed; errors are red, successes green.`,
    )
    .action((file: string, options: GraphOptions) => ended(graphCommand(file, options, terminal)));

  program
    .command('schema')
    .description('Print the JSON Schema of the workflow language, for editors.')
    .addHelpText(
      'after',
      `
Example:
  tramontane schema > workflow.schema.json

In an editor with a YAML language server, name it in the first line of a workflow:
  # yaml-language-server: $schema=./workflow.schema.json`,
    )
    .action(() => ended(schemaCommand(terminal)));
}
