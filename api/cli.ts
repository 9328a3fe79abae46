import { Command, CommanderError, Option } from 'commander';
import { DslError, TramontaneError } from '../dsl/errors.ts';
import { AUTH_MODES } from '../engine/config.ts';
import { LOG_LEVELS } from '../engine/log.ts';
import type { Logger, LogLevel } from '../engine/log.ts';
import { addClientCommands } from './client/commands.ts';
import { completionScript } from './client/completion.ts';
import { addConnectionCommands } from './commands/connection-commands.ts';
import { addDefinitionCommands } from './commands/definition-commands.ts';
import type { EvalOptions } from './commands/eval.ts';
import { addFakeCommands } from './commands/fake-commands.ts';
import type { MigrateOptions } from './commands/migrate.ts';
import type { RunOptions } from './commands/run.ts';
import type { ServeOptions } from './commands/serve.ts';
import { addTokenCommands } from './commands/token-commands.ts';
import type { ValidateOptions } from './commands/validate.ts';
import { packageVersion } from './package-version.ts';
import { UsageError } from './usage-error.ts';
import type { ExitCode, Terminal } from './terminal.ts';

export type CreateLogger = (level: LogLevel) => Logger;

/**
 * Runs one command and tells how it ended. Never throws for what a user did wrong.
 *
 * Only the command that is asked for is loaded: the whole program takes ten times as long to start as its help.
 */
export async function runCli(
  args: readonly string[],
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  let code: ExitCode = 0;
  const program = commands(terminal, createLogger, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, terminal);
  }
}

function commands(terminal: Terminal, createLogger: CreateLogger, ended: (code: ExitCode) => void): Command {
  const program = new Command('tramontane')
    .description('Workflow engine that speaks the language of OpenStack Mistral and chains Spark and Flink jobs.')
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError('(add --help for a description and examples)')
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .addHelpText(
      'after',
      `
Examples:
  tramontane serve                                        API and engine on http://127.0.0.1:8989
  tramontane run workflow.yaml --input day=2026-11-22     one workflow, without a server
  tramontane validate workflows/*.yaml                    what is wrong, by file, line and column
  tramontane test workflow.test.yaml                      a workflow with mocked actions, in no time
  tramontane execution create nightly --watch             on a server: TRAMONTANE_URL, or the one on this machine

Each command has its own --help.`,
    );

  add(program, 'serve', 'Start the server: REST API, engine and executor in one process.')
    .option('--host <host>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on, 0 for a free one (default: 8989)')
    .addOption(databaseOption('sqlite:tramontane.sqlite'))
    .addOption(configOption())
    .option('--role <list>', 'what this process does: api,engine,executor,scheduler (default: all)')
    .option('--redis <url>', 'redis://HOST:PORT, to share the work with other processes on the same PostgreSQL')
    .addOption(new Option('--auth <mode>', 'how callers are told apart (default: none)').choices(AUTH_MODES))
    .option('--insecure', 'listen beyond this machine although there is no authentication')
    .addOption(logOption())
    .addHelpText(
      'after',
      `
Examples:
  tramontane serve
  tramontane serve --port 0 --database sqlite:/var/lib/tramontane/state.sqlite
  tramontane serve --config tramontane.yaml --log-level debug
  tramontane serve --role engine,scheduler --database postgres://tramontane@db/tramontane --redis redis://cache

It prints its address in a line "listening on http://HOST:PORT" and stops on SIGTERM or Ctrl-C. Started again on the same
database, it goes on with everything that was running.`,
    )
    .action(async (options: ServeOptions) => {
      const { serveCommand } = await import('./commands/serve.ts');
      ended(await serveCommand(options, terminal, createLogger));
    });

  add(program, 'run', 'Run one workflow of a file to its end, without a server.')
    .argument('<file>', 'a workbook, or a text with one or more workflows')
    .option('--workflow <name>', 'which of several workflows to run')
    .option('--input <file|key=value>', 'input as a JSON or YAML file, or one value; may be repeated', collect, [])
    .option('--env <file|key=value>', 'environment of the execution, given in the same ways', collect, [])
    .option('--task <name>', 'target task of a reverse workflow')
    .addOption(databaseOption('a temporary file'))
    .addOption(configOption())
    .option('--json', 'print the result as one JSON object and nothing else')
    .addOption(logOption())
    .addHelpText(
      'after',
      `
Examples:
  tramontane run workflow.yaml
  tramontane run workflow.yaml --input input.json --input limit=20
  tramontane run workbook.yaml --workflow nightly --input 'days=["Mon","Tue"]' --json

A value after = is read as JSON where it is JSON, else as text. The exit code is 0 for SUCCESS, 1 for ERROR or CANCELLED,
and 2 when the workflow or the input is wrong.`,
    )
    .action(async (file: string, options: RunOptions) => {
      const { runCommand } = await import('./commands/run.ts');
      ended(await runCommand(file, options, terminal, createLogger));
    });

  add(program, 'validate', 'Check workbooks, workflows and ad-hoc actions, without storing or running anything.')
    .argument('<file...>', 'YAML files')
    .addOption(
      new Option('--kind <kind>', 'what the files hold, where it cannot be told from them').choices([
        'workbook',
        'workflow',
        'action',
      ]),
    )
    .option('--strict', 'warnings count as errors')
    .option('--json', 'a list of all faults and warnings with file, line, column and path, for programs')
    .addHelpText(
      'after',
      `
Examples:
  tramontane validate workflow.yaml
  tramontane validate --strict workflows/*.yaml
  tramontane validate --json workflow.yaml

One line for each fault: file:line:column: what is wrong; what would be right. The exit code is 2 if there is any.`,
    )
    .action(async (files: string[], options: ValidateOptions) => {
      const { validateCommand } = await import('./commands/validate.ts');
      ended(await validateCommand(files, options, terminal));
    });

  addDefinitionCommands(program, terminal, ended);
  addTokenCommands(program, terminal, createLogger, ended);
  addConnectionCommands(program, terminal, ended);
  addClientCommands(program, terminal, ended);
  add(program, 'completion', 'Print a script that completes commands and options in a shell.')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', '\nExample:\n  source <(tramontane completion bash)')
    .action((shell: string) => terminal.out(completionScript(program, shell)));
  addFakeCommands(program, terminal, ended);

  add(program, 'eval', 'Evaluate a YAQL or Jinja expression, as it would be in a workflow.')
    .argument('<expression>', 'one expression, or a text with <% … %> or {{ … }} in it')
    .option('--data <file>', 'the data that $ (in Jinja: _) stands for, in JSON or YAML; - reads standard input')
    .option('--jinja', 'the expression is Jinja')
    .option('--explain', 'print how the expression is read, and what it names, before its value')
    .addHelpText(
      'after',
      `
Examples:
  tramontane eval '$.jobs.where($.state = FAILED).select($.id)' --data execution.json
  tramontane eval --jinja '_.names|map("upper")|join(", ")' --data names.yaml
  tramontane eval 'load <% $.rows.len() %> rows' --data - --explain

The value is printed as JSON. A failure is shown with its place and what would be right; the exit code is 1 when the
evaluation fails and 2 when the text is no expression.`,
    )
    .action(async (expression: string, options: EvalOptions) => {
      const { evalCommand } = await import('./commands/eval.ts');
      ended(evalCommand(expression, options, terminal));
    });

  add(program, 'migrate', 'Bring the schema of a database up to date. The server does the same when it starts.')
    .addOption(databaseOption('sqlite:tramontane.sqlite'))
    .addOption(configOption())
    .addOption(logOption())
    .option('--check', 'change nothing; ends with 0 when the schema is up to date, else with 1')
    .addHelpText('after', '\nExample:\n  tramontane migrate --database sqlite:tramontane.sqlite')
    .action(async (options: MigrateOptions) => {
      const { migrateCommand } = await import('./commands/migrate.ts');
      ended(await migrateCommand(options, terminal, createLogger));
    });

  return program;
}

/** What `exitOverride` and the output are set to passes on only to commands that are made like this. */
function add(program: Command, name: string, description: string): Command {
  return program.command(name).description(description);
}

function databaseOption(byDefault: string): Option {
  return new Option('--database <url>', `sqlite:PATH or postgres://USER@HOST/DATABASE (default: ${byDefault})`);
}

function configOption(): Option {
  return new Option('--config <file>', 'settings in a YAML file; options of the command line win over it');
}

function logOption(): Option {
  return new Option('--log-level <level>', 'how much is logged to standard error').choices(LOG_LEVELS);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** A user's mistake is 2, what failed underneath is 1; only what nobody foresaw shows its stack. */
function explain(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError || error instanceof DslError) {
    terminal.err(`${error.message}\n`);
    return 2;
  }
  if (error instanceof TramontaneError) {
    terminal.err(`${error.message}\n`);
    return error.code === 'INVALID_INPUT' ? 2 : 1;
  }
  terminal.err(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}
