import { runCli } from '../../api/cli.ts';
import { silentLogger } from '../../engine/log.ts';

/** Runs one command inside this process and keeps what it prints. */
export async function runCommandLine(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runCli(
    args,
    {
      environment: {},
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
