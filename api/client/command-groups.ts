import { Option } from 'commander';
import type { Command } from 'commander';
import type { ExitCode, Terminal } from '../terminal.ts';
import { FORMATS } from './formats.ts';
import type * as RunModule from './run.ts';
import type { ConnectionOptions, Session } from './run.ts';

/** What commands call: loaded only when one is asked for. */
export type Run = typeof RunModule;

type Action<O> = (parts: {
  readonly session: Session;
  readonly run: Run;
  readonly args: readonly string[];
  readonly options: O;
}) => Promise<ExitCode>;

/** Commands of the command line that call a server, in a group for each noun. */
export class ClientCommands {
  private readonly program: Command;
  private readonly terminal: Terminal;
  private readonly ended: (code: ExitCode) => void;
  private readonly groups = new Map<string, Command>();

  constructor(program: Command, terminal: Terminal, ended: (code: ExitCode) => void) {
    this.program = program;
    this.terminal = terminal;
    this.ended = ended;
  }

  group(name: string, description: string): Command {
    const group = this.program.command(name).description(description);
    this.groups.set(name, group);
    return group;
  }

  command<O extends object>(noun: string, usage: string, description: string, action: Action<O>): Command {
    const group = this.groups.get(noun);
    if (group === undefined) throw new Error(`there is no group ${noun}`);
    const command = group
      .command(usage)
      .description(description)
      .option('--url <url>', 'the server (default: TRAMONTANE_URL, else http://127.0.0.1:8989)')
      .option('--token <token>', 'who you are (default: TRAMONTANE_TOKEN)')
      .addOption(new Option('--format <format>', 'how to print').choices([...FORMATS]).default('table'))
      .option('--fields <names>', 'which fields to show, separated by commas');
    command.action(async () => {
      const run = await import('./run.ts');
      const options = command.opts<O & ConnectionOptions>();
      const session = run.connect(options, this.terminal);
      this.ended(await action({ session, run, args: command.args, options }));
    });
    return command;
  }
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
