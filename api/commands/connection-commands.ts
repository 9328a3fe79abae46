import { Option } from 'commander';
import type { Command } from 'commander';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { ConnectionCommandOptions } from './connection.ts';

/** `tramontane connection list|get|test`: what a server with this configuration would know. */
export function addConnectionCommands(program: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  const group = program
    .command('connection')
    .description('Look at the connections of a configuration file, without their secrets, and test them.')
    .addHelpText(
      'after',
      `
Examples:
  tramontane connection list --config tramontane.yaml
  tramontane connection test yarn --config tramontane.yaml

They are made, changed and deleted in the file itself, under \`connections\`; a server reads it when it starts.`,
    );
  const common = (command: Command): Command =>
    command
      .addOption(new Option('--config <file>', 'the settings of the server').default('tramontane.yaml'))
      .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json', 'yaml']).default('table'));
  common(group.command('list').description('List them.')).action(async (options: ConnectionCommandOptions) => {
    const { connectionListCommand } = await import('./connection.ts');
    ended(connectionListCommand(options, terminal));
  });
  common(group.command('get').description('Show one.').argument('<name>', 'its name')).action(
    async (name: string, options: ConnectionCommandOptions) => {
      const { connectionGetCommand } = await import('./connection.ts');
      ended(connectionGetCommand(name, options, terminal));
    },
  );
  common(
    group
      .command('test')
      .description('Ask their servers, with their secrets, for something that changes nothing.')
      .argument('[name...]', 'which ones (default: all)'),
  ).action(async (names: string[], options: ConnectionCommandOptions) => {
    const { connectionTestCommand } = await import('./connection.ts');
    ended(await connectionTestCommand(names, options, terminal));
  });
}
