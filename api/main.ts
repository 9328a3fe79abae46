import { createLogger } from '../engine/log.ts';
import { runCli } from './cli.ts';
import type { Terminal } from './terminal.ts';

/** Runs the command line of this process and ends it. Alone reads `process.env` and calls `process.exit`. */
export async function main(): Promise<void> {
  const code = await runCli(process.argv.slice(2), processTerminal(), createLogger);
  // Pools and threads are closed by now; whatever still holds the process must not keep the shell waiting.
  process.exit(code);
}

function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const wantsPlain = env['NO_COLOR'] !== undefined || env['TERM'] === 'dumb';
  return {
    environment: env,
    // Progress goes to standard error, so that the result may go into a file or a pipe.
    isInteractive: stderr.isTTY === true && !wantsPlain,
    columns: stderr.columns ?? 80,
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    stopped: firstSignal(),
  };
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
      });
    }
  });
}
