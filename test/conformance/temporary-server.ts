import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from '../helpers/cleanup.ts';
import { startCluster } from '../helpers/cluster.ts';
import { run } from '../helpers/processes.ts';
import { tramontaneBin } from '../helpers/project.ts';
import { startServer } from '../helpers/server-process.ts';
import type { ServerProcess } from '../helpers/server-process.ts';

/**
 * Kinds of server that clients and recorded cases ask for: without authentication where everybody is an administrator;
 * without, where only the header says so; with three tokens.
 */
export const KINDS = ['open', 'policy', 'auth'] as const;
export type ServerKind = (typeof KINDS)[number];

/** The tokens that cases and clients send, with the projects that they expect. */
const TOKENS = [
  { token: 'tok-admin', project: 'a'.repeat(32), role: 'admin' },
  { token: 'tok-primary', project: 'b'.repeat(32), role: 'member' },
  { token: 'tok-alt', project: 'c'.repeat(32), role: 'member' },
];

/**
 * A server of its own process on an empty database, both gone after the cleanup.
 *
 * @param nodes more than one: so many of them share an empty PostgreSQL and an empty Redis, and connections go to them in turn.
 */
export async function startTemporaryServer(
  cleanup: Cleanup,
  kind: ServerKind,
  nodes = 1,
): Promise<Pick<ServerProcess, 'url'>> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-conformance-'));
  cleanup.add('the temporary folder', () => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'tramontane.yaml');
  await writeFile(config, `auth: {anonymous_is_admin: ${kind !== 'policy'}}\n`);
  const args = ['--config', config, ...(kind === 'auth' ? ['--auth', 'token'] : [])];
  const addTokens = async (database: string) => {
    if (kind === 'auth') for (const one of TOKENS) await addToken(database, one);
  };
  if (nodes > 1) return startCluster(cleanup, folder, { nodes, args, prepare: addTokens });
  const database = `sqlite:${join(folder, 'cases.sqlite')}`;
  await addTokens(database);
  const server = await startServer({ database, args, cwd: folder, logFile: join(folder, 'server.log') });
  cleanup.add('the server', server.stop);
  return server;
}

async function addToken(
  database: string,
  { token, project, role }: { readonly token: string; readonly project: string; readonly role: string },
): Promise<void> {
  const args = ['token', 'add', '--database', database, '--token', token, '--project', project, '--role', role];
  const { code, stderr } = await run(process.execPath, [tramontaneBin, ...args]);
  if (code !== 0) throw new Error(`tramontane token add failed: ${stderr}`);
}
