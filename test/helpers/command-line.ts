import { runCli } from '../../api/cli.ts';
import { silentLogger } from '../../engine/log.ts';

export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command inside this process and keeps what it prints: starting a process for it takes some seconds. */
export function runCommandLine(...args: string[]): Promise<CommandOutcome> {
  return runCommandWith({}, args);
}

/** The same in an environment. */
export async function runCommandWith(environment: NodeJS.ProcessEnv, args: readonly string[]): Promise<CommandOutcome> {
  let out = '';
  let err = '';
  const code = await runCli(
    args,
    {
      environment,
      isInteractive: false,
      columns: 120,
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      stopped: new Promise(() => {}),
    },
    () => silentLogger,
  );
  return { code, out, err };
}
