import { randomUUID } from 'node:crypto';
import type { Json, JsonObject } from '../../../dsl/json.ts';
import { isJsonObject } from '../../../dsl/json.ts';
import type { ExitCode } from '../../terminal.ts';
import { UsageError } from '../../usage-error.ts';
import { collect } from '../command-groups.ts';
import type { ClientCommands, Run } from '../command-groups.ts';
import { ServerError } from '../http.ts';
import type { Session } from '../run.ts';

const COLUMNS = ['id', 'name', 'pool', 'type', 'mode', 'size', 'status', 'health', 'user_id', 'api_url'];
const POOL_COLUMNS = [
  'name',
  'provider',
  'type',
  'mode',
  'sizes',
  'capacity',
  'total',
  'free',
  'leased',
  'waiting',
  'schedulable',
];
const LEASE_COLUMNS = ['id', 'cluster_id', 'user_id', 'execution_id', 'scope', 'granted_at', 'expires_at', 'remote'];
const EVENT_COLUMNS = ['at', 'event', 'cluster_name', 'user_id', 'data'];

/** Clusters that a server lends, and the pools that keep them (spec/cluster.md §3.1). */
export function addClusters(commands: ClientCommands): void {
  commands.group('cluster', 'Lease clusters of a server, and look after them.');
  addLists(commands);
  addLeases(commands);
  addOperations(commands);
  commands.group('pool', 'Look at the pools that clusters come from (changes: administrators).');
  addPools(commands);
}

interface Kind {
  readonly type?: string;
  readonly mode?: string;
  readonly size?: string;
  readonly sizeMin?: string;
  readonly name?: string;
  readonly label: readonly string[];
}

function addLists(commands: ClientCommands): void {
  commands
    .command<Kind & { user?: string; pool?: string; status?: string; free?: boolean; released?: boolean }>(
      'cluster',
      'list',
      'List clusters: your own and free ones.',
      async ({ session, run, options }) => {
        const { user, pool, status, free, released } = options;
        const filter = run.given({
          ...kindOf(options),
          user_id: user,
          pool,
          status,
          free,
          state: released === true ? 'released' : undefined,
        });
        return showRows(session, run, await call(session, 'clusters', filter), COLUMNS);
      },
    )
    .option('--type <type>', 'such as spark or flink')
    .option('--mode <mode>', 'such as standalone or session')
    .option('--size <number>', 'number of workers')
    .option('--name <name>', 'of this name')
    .option('--label <name=value>', 'with this label; may be repeated', collect, [])
    .option('--user <id>', 'held by this user id')
    .option('--pool <name>', 'of this pool')
    .option('--status <status>', 'running, stopped, …')
    .option('--free', 'held by nobody')
    .option('--released', 'lives that are over');
  commands.command('cluster', 'get <id>', 'Show one.', async ({ session, run, args: [id = ''] }) =>
    run.show(session, dataOf(await session.client.call('GET', pathOf(id)))),
  );
  commands
    .command<{ node?: string; tail: string }>(
      'cluster',
      'log <id>',
      "Print the end of a node's log.",
      async ({ session, args: [id = ''], options: { node, tail } }) => {
        const text = dataOf(await session.client.call('GET', `${pathOf(id)}/log`, { query: { node, tail } }));
        session.terminal.out(typeof text === 'string' && text !== '' ? `${text.trimEnd()}\n` : '');
        return 0;
      },
    )
    .option('--node <name>', 'master, jobmanager, w0, … (default: the first)')
    .option('--tail <number>', 'so many lines', '200');
  commands.command(
    'cluster',
    'events <id>',
    'List what has happened to it.',
    async ({ session, run, args: [id = ''] }) => {
      const events = dataOf(await session.client.call('GET', `${pathOf(id)}/events`));
      const rows = (Array.isArray(events) ? events : []).filter(isJsonObject);
      return showRows(
        session,
        run,
        rows.map((row) => withTimes(row, ['at'])),
        EVENT_COLUMNS,
      );
    },
  );
}

function addLeases(commands: ClientCommands): void {
  commands
    .command<Kind & { user?: string; wait?: string; ttl?: string; allowMultiple?: boolean; key?: string }>(
      'cluster',
      'apply',
      'Lease a cluster, and print it. It is yours until you release it or its time is over.',
      async ({ session, run, options }) => {
        const { user, allowMultiple, key = randomUUID() } = options;
        if (user === undefined) throw new UsageError('Say for whom: --user NAME');
        const wait = numberOf(options.wait, '--wait') ?? 0;
        const wish = run.given({
          ...kindOf(options),
          user_id: user,
          size_min: numberOf(options.sizeMin, '--size-min'),
          ttl: numberOf(options.ttl, '--ttl'),
          allow_multiple: allowMultiple === true,
          lease_key: key,
          scope: 'none',
        });
        return run.show(session, await applyFor(session, wish, wait));
      },
    )
    .option('--user <id>', 'who holds it: any name, the same one releases it')
    .option('--type <type>', 'such as spark or flink')
    .option('--mode <mode>', 'such as standalone or session')
    .option('--size <number>', 'number of workers')
    .option('--size-min <number>', 'at least so many workers')
    .option('--name <name>', 'this one and no other')
    .option('--label <name=value>', 'with this label; may be repeated', collect, [])
    .option('--wait <seconds>', 'wait for a free one, first come first served', '0')
    .option('--ttl <seconds>', 'the lease ends by itself unless it is renewed')
    .option('--allow-multiple', 'another one, even if this user holds one that fits')
    .option('--key <text>', 'the same key gives the same lease: for scripts that may be repeated');
  commands
    .command<{ user?: string }>(
      'cluster',
      'release [ids...]',
      'Give clusters back, by their ids or all of a user.',
      async ({ session, args, options: { user } }) => {
        if (args.length === 0 && user === undefined) throw new UsageError('Say what to release: an id, or --user NAME');
        const wishes: JsonObject[] = args.map((id) => ({
          cluster_id: id,
          ...(user !== undefined && { user_id: user }),
        }));
        for (const wish of wishes.length === 0 ? [{ user_id: user ?? '' }] : wishes) {
          await operate(session, 'release', wish);
          session.terminal.err(`released ${'cluster_id' in wish ? String(wish.cluster_id) : `all of ${user}`}\n`);
        }
        return 0;
      },
    )
    .option('--user <id>', 'all that this user holds; with ids: who holds them');
  commands
    .command<{ ttl?: string }>(
      'cluster',
      'renew <id>',
      'Make a lease last longer.',
      async ({ session, run, args: [id = ''], options }) => {
        const ttl = numberOf(options.ttl, '--ttl');
        return run.show(session, await operate(session, 'renew', run.given({ cluster_id: id, ttl })));
      },
    )
    .option('--ttl <seconds>', 'from now on (default: as it was given for)');
}

function addOperations(commands: ClientCommands): void {
  for (const [op, title] of [
    ['start', 'Start the processes of a stopped cluster.'],
    ['stop', 'Stop the processes of a cluster; who holds it holds it still.'],
    ['restart', 'Restart the processes of a cluster.'],
  ] as const) {
    commands
      .command<{ node?: string }>(
        'cluster',
        `${op} <id>`,
        title,
        async ({ session, run, args: [id = ''], options }) => {
          await operate(session, op, run.given({ cluster_id: id, node_id: options.node }));
          return run.show(session, dataOf(await session.client.call('GET', pathOf(id))));
        },
      )
      .option('--node <name>', 'one process: master, jobmanager, w0, …');
  }
}

function addPools(commands: ClientCommands): void {
  commands.command('pool', 'list', 'List the pools and how full they are.', async ({ session, run }) =>
    showRows(session, run, dataOf(await session.client.call('GET', '/v2/cluster_pools')), POOL_COLUMNS),
  );
  commands
    .command<{ user?: string; execution?: string; all?: boolean }>(
      'pool',
      'leases',
      'List who holds what.',
      async ({ session, run, options: { user, execution, all } }) => {
        const query = { user_id: user, execution_id: execution, state: all === true ? 'all' : undefined };
        const found = dataOf(await session.client.call('GET', '/v2/cluster_leases', { query }));
        const rows = (Array.isArray(found) ? found : []).filter(isJsonObject);
        return showRows(
          session,
          run,
          rows.map((row) => withTimes(row, ['granted_at', 'expires_at'])),
          LEASE_COLUMNS,
        );
      },
    )
    .option('--user <id>', 'of this user id')
    .option('--execution <id>', 'of this execution')
    .option('--all', 'also those that are over');
  commands
    .command<{ size?: string; name?: string }>(
      'pool',
      'create-cluster <pool>',
      'Make a cluster in a pool now.',
      async ({ session, run, args: [pool = ''], options: { size, name } }) =>
        run.show(session, await operate(session, 'create', run.given({ pool, size: numberOf(size, '--size'), name }))),
    )
    .option('--size <number>', 'number of workers')
    .option('--name <name>', 'its name');
  commands
    .command<{ force?: boolean }>(
      'pool',
      'delete-cluster <id>',
      'End a cluster and its processes.',
      async ({ session, run, args: [id = ''], options }) =>
        run.show(session, await operate(session, 'delete', { cluster_id: id, force: options.force === true })),
    )
    .option('--force', 'also one that somebody holds');
  for (const [action, title] of [
    ['drain', 'Lease nothing more of a pool or a cluster; what is free ends, the rest when it is released.'],
    ['undrain', 'Lease it again.'],
  ] as const) {
    commands
      .command<{ cluster?: boolean }>(
        'pool',
        `${action} <name>`,
        title,
        async ({ session, run, args: [name = ''], options }) =>
          run.show(
            session,
            await operate(session, action, options.cluster === true ? { cluster_id: name } : { pool: name }),
          ),
      )
      .option('--cluster', 'the argument is the id of one cluster');
  }
}

/** A long wait may be cut off on the way: the key finds the place in the queue again. */
async function applyFor(session: Session, wish: JsonObject, wait: number): Promise<Json> {
  const deadline = Date.now() + wait * 1000;
  for (;;) {
    const began = Date.now();
    const left = Math.max(0, Math.ceil((deadline - began) / 1000));
    try {
      return await operate(session, 'apply', { ...wish, wait: left });
    } catch (error) {
      const wasCut = error instanceof ServerError && error.status === null && Date.now() - began > CUT_AFTER_MS;
      if (!wasCut || Date.now() >= deadline) throw error;
    }
  }
}

/** Servers that are not there say so at once. */
const CUT_AFTER_MS = 20_000;

async function operate(session: Session, action: string, parameters: JsonObject): Promise<Json> {
  return call(session, `cluster_op?action=${action}`, parameters);
}

async function call(session: Session, path: string, parameters: JsonObject): Promise<Json> {
  return dataOf(await session.client.call('POST', `/v2/${path}`, { json: parameters }));
}

/** What is in the envelope. */
function dataOf(reply: Json): Json {
  return isJsonObject(reply) ? (reply.data ?? null) : null;
}

function pathOf(id: string): string {
  if (id === '') throw new UsageError('The identifier is empty.');
  return `/v2/cluster/${encodeURIComponent(id)}`;
}

function showRows(session: Session, run: Run, rows: Json, columns: readonly string[]): ExitCode {
  session.terminal.out(run.showList((Array.isArray(rows) ? rows : []).filter(isJsonObject), columns, session.format));
  return 0;
}

/** Milliseconds as people read them. */
function withTimes(row: JsonObject, names: readonly string[]): JsonObject {
  const times = names.flatMap((name): [string, Json][] => {
    const value = row[name];
    return typeof value === 'number' ? [[name, new Date(value).toISOString()]] : [];
  });
  return { ...row, ...Object.fromEntries(times) };
}

function kindOf({ type, mode, size, name, label }: Kind): Record<string, Json | undefined> {
  const labels = label.map((text): [string, string] => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new UsageError(`'${text}' is no label; write zone=a`);
    return [`labels.${text.slice(0, equals)}`, text.slice(equals + 1)];
  });
  return { type, mode, size: numberOf(size, '--size'), name, ...Object.fromEntries(labels) };
}

function numberOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < 0)
    throw new UsageError(`${option}: '${text}' is no number of 0 or more`);
  return number;
}
