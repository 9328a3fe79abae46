import type { Command } from 'commander';
import type { ExitCode, Terminal } from '../terminal.ts';
import type { FakeOptions } from './fake.ts';

/** `tramontane fake NAME`: stand-ins for the servers that jobs run on. */
export function addFakeCommands(program: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  program
    .command('fake')
    .description('Start a stand-in for a server that jobs run on, to try workflows without the real one.')
    .argument('<name>', 'cello, flink, livy, lighter, mist or spark-master')
    .option('--port <number>', 'port on 127.0.0.1, 0 for a free one', '0')
    .option('--flink-version <version>', 'flink: the version that it pretends to be', '2.3.0')
    .option('--job-seconds <number>', 'flink: jobs finish by themselves after so long', '5')
    .option('--adaptive', 'flink: as with the adaptive scheduler, which can rescale running jobs')
    .option('--no-submit', 'flink: as with web.submit.enable: false')
    .addHelpText(
      'after',
      `
Examples:
  tramontane fake flink --port 8081
  tramontane fake flink --flink-version 1.13.2 --job-seconds 60
  tramontane fake livy

It prints its address in a line "listening on http://127.0.0.1:PORT", runs nothing of what it is given, and stops on SIGTERM or
Ctrl-C. Jobs of all but Flink go on at each look at them. The one of Flink is also a SQL gateway.`,
    )
    .action(async (name: string, options: FakeOptions) => {
      const { fakeCommand } = await import('./fake.ts');
      ended(await fakeCommand(name, options, terminal));
    });
}
