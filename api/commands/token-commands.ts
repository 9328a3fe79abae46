import { Option } from 'commander';
import type { Command } from 'commander';
import type { CreateLogger } from '../cli.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { CommonOptions } from './settings.ts';
import type { TokenAddOptions } from './token.ts';

/** `tramontane token add|list|revoke`: the table of the authentication mode `token`. */
export function addTokenCommands(
  program: Command,
  terminal: Terminal,
  createLogger: CreateLogger,
  ended: (code: ExitCode) => void,
): void {
  const token = program.command('token').description('Manage the tokens of a server with authentication by token.');
  withDatabase(
    token.command('add').description('Give a project access. A token that is not given is made and printed.'),
  )
    .option('--token <value>', 'the token; - reads it from standard input')
    .requiredOption('--project <id>', 'the project that it belongs to')
    .option('--role <role>', 'a role of its bearer, such as admin; may be repeated', collect, [])
    .option('--user <id>', 'who bears it (default: the project)')
    .option('--expires <time>', '30d, 12h, 90m, or a date (default: never)')
    .addHelpText(
      'after',
      `
Examples:
  tramontane token add --project analytics --role member --expires 90d
  tramontane serve --auth token --host 0.0.0.0

Only a hash of it is stored, so it is printed once. It works beside a running server, which knows of it at once.`,
    )
    .action(async (options: TokenAddOptions) => {
      const { tokenAddCommand } = await import('./token.ts');
      ended(await tokenAddCommand(options, terminal, createLogger));
    });
  withDatabase(token.command('list').description('List the tokens, without what is secret about them.')).action(
    async (options: CommonOptions) => {
      const { tokenListCommand } = await import('./token.ts');
      ended(await tokenListCommand(options, terminal, createLogger));
    },
  );
  withDatabase(token.command('revoke').description('Take a token back.'))
    .argument('<token>', 'its id, or the token itself')
    .action(async (which: string, options: CommonOptions) => {
      const { tokenRevokeCommand } = await import('./token.ts');
      ended(await tokenRevokeCommand(which, options, terminal, createLogger));
    });
}

function withDatabase(command: Command): Command {
  return command
    .addOption(new Option('--database <url>', 'where the server keeps its state (default: sqlite:tramontane.sqlite)'))
    .addOption(new Option('--config <file>', 'settings of the server in a YAML file'));
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
