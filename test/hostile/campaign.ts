import { Random } from '../simulation/random.ts';
import { deliver } from './deliver.ts';
import type { Answer } from './deliver.ts';
import { collectionOf, Generator } from './generator.ts';
import type { ApiDocument, HostileRequest } from './generator.ts';
import type { WatchedServer } from './server.ts';
import { startWatchedServer } from './server.ts';

export interface Campaign {
  /** How many requests, in how many rounds: after each, everything is deleted and memory is looked at. */
  readonly requests: number;
  readonly rounds: number;
  readonly seed: number;
  /** Where heap snapshots go, one after each fourth round; null: none. */
  readonly snapshots?: string | null;
}

export interface Outcome {
  /** Requests whose answer was wrong, with what was wrong; the first of them. */
  readonly problems: readonly string[];
  /** Of answers, by status; 0 where there was none. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Operations of the document that no request was made of. */
  readonly untried: readonly string[];
  /** Bytes of living objects after each round. */
  readonly heap: readonly number[];
  readonly resident: readonly number[];
  readonly seconds: number;
  /** The requests that were answered last, with the milliseconds that it took. */
  readonly slowest: readonly { readonly milliseconds: number; readonly request: string }[];
}

interface Test {
  teardown(run: () => Promise<void>): void;
  log(...values: string[]): void;
}

const ADMIN = 'boss-token';
const TOKENS = [
  { token: ADMIN, projectId: 'a'.repeat(32), roles: ['admin'] },
  { token: 'member-token', projectId: 'c'.repeat(32), roles: ['member'] },
];
// Most come as somebody who may do much, so that they get far.
const SENT_TOKENS = [...Array.from({ length: 12 }, () => ADMIN), 'member-token', 'member-token', 'no-such-token'];

const AT_ONCE = 16;
const MOST_PROBLEMS = 20;
const MOST_SLOW = 10;

/** Sends generated requests to a server of its own and looks at every answer. */
export async function runCampaign(t: Test, { requests, rounds, seed, snapshots = null }: Campaign): Promise<Outcome> {
  const server = await startWatchedServer(t, TOKENS);
  const document = (await call(server, 'GET', '/openapi.json')) as ApiDocument;
  const generator = new Generator(document, new Random(seed), SENT_TOKENS);
  const state: State = { problems: [], statuses: new Map(), tried: new Set(), slowest: [] };
  const [heap, resident]: [number[], number[]] = [[], []];
  const startedAt = Date.now();
  for (let round = 0; round < rounds && state.problems.length < MOST_PROBLEMS; round++) {
    await makeOneOfEach(server, generator);
    await inParallel(AT_ONCE, Math.ceil(requests / rounds), () => one(server, generator, state));
    await deleteEverything(server);
    heap.push(await server.heap());
    resident.push(await server.resident());
    if (snapshots !== null && round % 4 === 1) await server.snapshot(`${snapshots}/round-${round + 1}.heapsnapshot`);
    const megabytes = (list: readonly number[]) => `${((list.at(-1) ?? 0) / 1e6).toFixed(1)} MB`;
    const done = [...state.statuses.values()].reduce((sum, count) => sum + count, 0);
    t.log(
      `${done} requests in ${Math.round((Date.now() - startedAt) / 1000)} s: heap ${megabytes(heap)}, resident ${megabytes(resident)}`,
    );
  }
  const exit = server.exit();
  if (exit !== null) state.problems.push(`the server ended with ${exit}:\n${(await server.log()).slice(-3000)}`);
  const faults = (await server.log()).split('\n').filter((line) => /A request failed|Unhandled|unhandled/.test(line));
  for (const line of faults.slice(0, 5)) state.problems.push(`the log says: ${line.slice(0, 2000)}`);
  return {
    problems: state.problems,
    statuses: state.statuses,
    untried: generator.operations.filter((name) => !state.tried.has(name)),
    heap,
    resident,
    seconds: (Date.now() - startedAt) / 1000,
    slowest: state.slowest,
  };
}

interface State {
  readonly problems: string[];
  readonly statuses: Map<number, number>;
  readonly tried: Set<string>;
  slowest: readonly { readonly milliseconds: number; readonly request: string }[];
}

async function one(server: WatchedServer, generator: Generator, state: State): Promise<void> {
  if (state.problems.length >= MOST_PROBLEMS) return;
  const request = generator.next();
  state.tried.add(request.operation);
  const sentAt = performance.now();
  let problem: string | null;
  try {
    const answer = await deliver(server.port, request);
    state.statuses.set(answer.status ?? 0, (state.statuses.get(answer.status ?? 0) ?? 0) + 1);
    problem = problemOf(request, answer);
    // Somebody has paused everything: then nothing else would be tried.
    if (answer.status === 423) await call(server, 'PUT', '/maintenance', { status: 'RUNNING' });
    if (answer.body !== null) {
      for (const id of idsOf(answer.body)) generator.learn(id, collectionOf(request.path));
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const milliseconds = performance.now() - sentAt;
  if (milliseconds > (state.slowest.at(-1)?.milliseconds ?? 0) || state.slowest.length < MOST_SLOW) {
    state.slowest = [...state.slowest, { milliseconds, request: shown(request) }]
      .toSorted((a, b) => b.milliseconds - a.milliseconds)
      .slice(0, MOST_SLOW);
  }
  if (problem !== null) state.problems.push(`${problem}\n${shown(request)}`);
}

/** Null when the answer is one that a client can live with. */
function problemOf({ method, delivery, framing }: HostileRequest, { status, body, mediaType }: Answer): string | null {
  if (status === null) {
    // To Node, a client that sends no more has gone.
    const mayBeSilent = delivery.startsWith('cut') || delivery === 'half-closed' || framing !== null;
    return mayBeSilent ? null : 'the connection was closed without an answer';
  }
  if (status >= 500) return `answered ${status}: ${body ?? ''}`;
  if (status < 400 || body === null || method === 'HEAD') return null;
  if (mediaType !== 'application/json') return `answered ${status} as '${mediaType}': ${body.slice(0, 200)}`;
  // The pool service has a form of its own (spec/cluster.md).
  const { faultstring, error } = tryParse(body) as { faultstring?: unknown; error?: unknown };
  const reason = faultstring ?? error;
  if (typeof reason === 'string' && reason !== '') return null;
  return `answered ${status} without saying why: ${body.slice(0, 200)}`;
}

/** So that a client of that kind can be written down: bytes that do not show are escaped. */
function shown({ delivery, method, path, headers, body, framing }: HostileRequest): string {
  const lines = headers.map(([name, value]) => `${name}: ${value.slice(0, 200)}`);
  const text = body === null ? '' : JSON.stringify(body.subarray(0, 1500).toString('latin1'));
  return `  ${delivery} ${method} ${path.slice(0, 600)}\n  ${[...lines, framing ?? ''].join(' | ')}\n  ${text}`;
}

function idsOf(body: string): readonly string[] {
  return [...body.slice(0, 20_000).matchAll(/"(?:id|name)": ?"([^"\\]{1,60})"/g)].slice(0, 5).map(([, id = '']) => id);
}

const WORKFLOWS =
  "version: '2.0'\nwf:\n  input:\n    - a: 1\n  tasks:\n    t:\n      action: std.echo output=<% $.a %>\nhold:\n  tasks:\n    t:\n      action: std.async_noop\nfails:\n  tasks:\n    t:\n      with-items: i in [1, 2]\n      action: std.fail\n";

/** One thing of every kind, so that requests have something to hit. */
async function makeOneOfEach(server: WatchedServer, generator: Generator): Promise<void> {
  const learn = (answer: unknown, collection: string): void => {
    for (const id of idsOf(JSON.stringify(answer))) generator.learn(id, collection);
  };
  const make = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await call(server, 'POST', path, body);
    learn(answer, collectionOf(path));
    return answer;
  };
  const { workflows } = (await make('/v2/workflows', WORKFLOWS)) as { workflows?: { id: string }[] };
  const workflow = workflows?.[0]?.id ?? '';
  await make(
    '/v2/workbooks',
    "version: '2.0'\nname: book\nworkflows:\n  inner:\n    tasks:\n      t:\n        action: std.noop\n",
  );
  await make('/v2/actions', "version: '2.0'\nact:\n  base: std.noop\n");
  await make('/v2/environments', { name: 'env', variables: { x: 1 } });
  await make('/v2/code_sources?name=code', 'export class A {}');
  await make('/v2/cron_triggers', { name: 'cron', workflow_name: 'wf', pattern: '0 0 1 1 *' });
  await make('/v2/event_triggers', { name: 'ev', workflow_id: workflow, exchange: 'x', topic: 't', event: 'e' });
  await make(`/v2/workflows/${workflow}/members`, { member_id: 'c'.repeat(32) });
  await make('/v2/action_executions', { name: 'std.async_noop', params: { save_result: true } });
  for (const name of ['wf', 'hold', 'hold', 'fails']) {
    const { id } = (await make('/v2/executions', { workflow_name: name })) as { id?: string };
    learn(await call(server, 'GET', `/v2/executions/${id}/tasks`), 'tasks');
  }
  const actions = await call(server, 'GET', '/v2/action_executions?limit=5&sort_keys=created_at&sort_dirs=desc');
  learn(actions, 'action_executions');
}

/** What is left after a round is no leak. */
async function deleteEverything(server: WatchedServer): Promise<void> {
  await call(server, 'PUT', '/maintenance', { status: 'RUNNING' });
  const all: readonly (readonly [collection: string, key: string, suffix: string])[] = [
    ['cron_triggers', 'id', ''],
    ['event_triggers', 'id', ''],
    ['executions', 'id', '?force=true'],
    ['action_executions', 'id', ''],
    ['code_sources', 'id', ''],
    ['environments', 'name', ''],
    ['files', 'id', ''],
    ['workbooks', 'name', ''],
    ['workflows', 'id', ''],
    ['actions', 'id', ''],
  ];
  for (const [collection, key, suffix] of all) {
    const page = (await call(server, 'GET', `/v2/${collection}?limit=1000`)) as Record<
      string,
      Record<string, string>[]
    >;
    for (const row of page[collection] ?? []) {
      const space = row['namespace']
        ? `${suffix === '' ? '?' : '&'}namespace=${encodeURIComponent(row['namespace'])}`
        : '';
      await call(server, 'DELETE', `/v2/${collection}/${encodeURIComponent(row[key] ?? '')}${suffix}${space}`);
    }
  }
}

async function call(server: WatchedServer, method: string, path: string, body?: unknown): Promise<unknown> {
  const isText = typeof body === 'string';
  const response = await fetch(server.url + path, {
    method,
    headers: { 'X-Auth-Token': ADMIN, Connection: 'close', 'Content-Type': isText ? 'text/plain' : 'application/json' },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  return tryParse(await response.text());
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

async function inParallel(width: number, count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: width }, worker));
}
