import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { abortOnSignals, Cleanup } from '../helpers/cleanup.ts';
import { run } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/project.ts';
import type { SuiteCounts } from './counts.ts';
import { startTemporaryServer } from './temporary-server.ts';

/**
 * Programs that were written for the reference, run unchanged, and one that reads our OpenAPI document and sends what it thinks up. They are fetched from the Python package index.
 */
export const CLIENT_SUITES = ['mistralclient', 'tempest', 'schemathesis'] as const;
export type ClientSuite = (typeof CLIENT_SUITES)[number];

/**
 * Installs the client where it is missing, runs it and prints what it prints.
 *
 * @param url a running server; without one a server is started on an empty database. tempest needs one with the tokens of
 *   test/conformance/temporary-server.ts.
 */
export async function runClientSuite(suite: ClientSuite, url: string | undefined): Promise<SuiteCounts> {
  const cleanup = new Cleanup();
  const signal = abortOnSignals(() => console.log('Ending ...'));
  try {
    const folder = join(projectRoot, 'test/conformance/clients', suite);
    const env = {
      ...process.env,
      TRAMONTANE_CLIENTS: process.env['TRAMONTANE_CLIENTS'] ?? join(homedir(), '.cache', 'tramontane-clients'),
      STUB_PORT: String(await freePort()),
    };
    const installed = await run('bash', [join(folder, 'install.sh')], { env, signal });
    signal.throwIfAborted();
    if (installed.code !== 0) throw new Error(`${suite} cannot be installed:\n${installed.stdout}${installed.stderr}`);
    const server = url ?? (await startTemporaryServer(cleanup, suite === 'tempest' ? 'auth' : 'open')).url;
    const { stdout, stderr } = await run('bash', [join(folder, 'run.sh'), server], { env, signal });
    signal.throwIfAborted();
    console.log(stdout.trimEnd());
    return countsOf(suite, stdout, stderr);
  } finally {
    await cleanup.run();
  }
}

/** The last line: `N passed, N failed[, N skipped; N unexpected]`. What is expected to fail counts as skipped. */
function countsOf(suite: ClientSuite, output: string, errors: string): SuiteCounts {
  const totals = /(\d+) passed, (\d+) failed(?:, (\d+) skipped; (\d+) unexpected)?\s*$/.exec(output);
  if (totals === null) throw new Error(`${suite} broke off:\n${output.slice(-2000)}\n${errors.slice(-4000)}`);
  const [passed, failed, skipped, unexpected] = totals.slice(1).map((count) => Number(count ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  if (totals[4] === undefined) return { passed, failed, skipped: 0 };
  return { passed, failed: unexpected, skipped: skipped + failed - unexpected };
}

/** For the stand-in of the identity service. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
