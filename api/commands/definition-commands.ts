import { type Command, Option } from 'commander';
import { GRAPH_FORMATS } from '../graph/formats.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { FmtOptions } from './fmt.ts';
import type { GraphOptions } from './graph.ts';

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
    .action(async (file: string, options: GraphOptions) => {
      const { graphCommand } = await import('./graph.ts');
      ended(graphCommand(file, options, terminal));
    });

  program
    .command('test')
    .description(
      'Run workflows with mocked actions, in virtual time and without a database, and compare what comes of it.',
    )
    .argument('<file...>', 'test files, or workflows with a test.yaml beside them')
    .addHelpText(
      'after',
      `
Examples:
  tramontane test examples/*/test.yaml
  tramontane test workflow.yaml            its tests are in workflow.test.yaml or test.yaml

A test file:
  file: workflow.yaml
  tests:
    - name: goes on with a default when the service is down
      input: {item: lamp}
      mocks:
        tasks:
          ask: [{error: {status: 500}, delay: 2}, {result: {price: 42}}]
        actions:
          std.email: {result: null}
      expect:
        state: SUCCESS
        path: [ask, [log, notify], {recover: SUCCESS}]
        tasks: {ask: {runs: 1, published: {price: 42}}}
        output: {price: 42}
        seconds: 3

The exit code is 1 if a test fails, 2 if a file is wrong.`,
    )
    .action(async (files: string[]) => {
      const { testCommand } = await import('./test-command.ts');
      ended(testCommand(files, terminal));
    });

  program
    .command('fmt')
    .description('Lay out YAML files afresh, in place. Comments stay, and what the files mean never changes.')
    .argument('<file...>', 'YAML files')
    .option('--check', 'only name the files that would change, and exit 1 if there are any')
    .addHelpText('after', '\nExamples:\n  tramontane fmt workflows/*.yaml\n  tramontane fmt --check workflows/*.yaml')
    .action(async (files: string[], options: FmtOptions) => {
      const { fmtCommand } = await import('./fmt.ts');
      ended(fmtCommand(files, options, terminal));
    });

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
    .action(async () => {
      const { schemaCommand } = await import('./schema.ts');
      ended(schemaCommand(terminal));
    });
}
