import { mappingOf, pageOf, startFake, type FakeAnswer, type FakeRequest, type FakeServer } from './http-fake.ts';

/**
 * Apache Livy 0.9 on a real socket, answering as it was recorded: ghosts after a refused POST, the window of the log, bare text under
 * application/json, ids that start again after a restart. Batches, sessions and statements move only when told (`batch.state = 'success'`), or by
 * themselves with `auto`.
 */
export interface FakeLivy extends FakeServer {
  readonly batches: Map<number, FakeLivyJob>;
  readonly sessions: Map<number, FakeLivySession>;
  readonly options: FakeLivyOptions;
  /** What a restart without recovery does: all is forgotten, ids begin at 0. */
  restart(): void;
}

export interface FakeLivyOptions {
  /** Whether X-Requested-By is demanded. */
  csrf: boolean;
  /** POSTs are refused as too many. */
  full: boolean;
  /** Everything goes on by itself at each look. */
  auto: boolean;
}

export interface FakeLivyJob {
  readonly id: number;
  readonly name: string | null;
  readonly request: Readonly<Record<string, unknown>>;
  state: string;
  appId: string | null;
  /** Without Livy's own two lines; a ghost has null. */
  log: string[] | null;
}

export interface FakeLivySession extends FakeLivyJob {
  readonly kind: string | null;
  readonly statements: FakeLivyStatement[];
}

export interface FakeLivyStatement {
  readonly id: number;
  readonly code: string;
  state: string;
  output: Record<string, unknown> | null;
  progress: number;
  started: number;
  completed: number;
}

export async function startFakeLivy(options: Partial<FakeLivyOptions & { port: number }> = {}): Promise<FakeLivy> {
  const { port, ...rest } = options;
  const state: LivyState = {
    batches: new Map(),
    sessions: new Map(),
    next: 0,
    options: { csrf: false, full: false, auto: false, ...rest },
  };
  const server = await startFake({
    ...(port !== undefined && { port }),
    handle: (request) => route(state, request),
    starts: ({ method, parts }) =>
      method === 'POST' && (parts.length === 1 || parts[2] === 'statements') && parts.length < 4,
  });
  return {
    ...server,
    batches: state.batches,
    sessions: state.sessions,
    options: state.options,
    restart() {
      state.batches.clear();
      state.sessions.clear();
      state.next = 0;
    },
  };
}

interface LivyState {
  readonly batches: Map<number, FakeLivyJob>;
  readonly sessions: Map<number, FakeLivySession>;
  /** Batches and sessions count separately in Livy; a refused POST uses one up. */
  next: number;
  readonly options: FakeLivyOptions;
}

const WINDOW = 200;
const BATCH_KEYS =
  'file proxyUser className args jars pyFiles files archives driverMemory driverCores executorMemory executorCores numExecutors queue name conf'.split(
    ' ',
  );
const SESSION_KEYS = [...BATCH_KEYS, 'kind', 'heartbeatTimeoutInSecond', 'ttl', 'idleTimeout'].filter(
  (key) => !['file', 'className', 'args'].includes(key),
);

function route(livy: LivyState, request: FakeRequest): FakeAnswer {
  const { method, parts, headers } = request;
  if (livy.options.csrf && !/^(?:GET|HEAD|OPTIONS)$/.test(method) && headers['x-requested-by'] === undefined) {
    return method === 'DELETE'
      ? { status: 400, text: '' }
      : {
          status: 400,
          type: 'text/html;charset=iso-8859-1',
          text: '<html><head><title>Error 400 Missing Required Header for CSRF protection.</title></head><body><h2>HTTP ERROR 400 Missing Required Header for CSRF protection.</h2></body></html>',
        };
  }
  const [collection, key, what, ...rest] = parts;
  if (collection === 'version' && method === 'GET')
    return ok({
      url: '',
      branch: '',
      revision: '',
      version: '0.9.0-incubating',
      date: '2026-11-21T05:24:39Z',
      user: '',
    });
  if (collection !== 'batches' && collection !== 'sessions')
    return { status: 404, type: 'text/html;charset=utf-8', text: '' };
  const rows: Map<number, FakeLivyJob> = collection === 'batches' ? livy.batches : livy.sessions;
  if (key === undefined) return method === 'POST' ? create(livy, collection, request) : list(rows, request);
  const row = find(rows, key);
  if (row === undefined) return { status: 404, json: { msg: `Session '${key}' not found.` } };
  if (livy.options.auto) advance(row);
  if (what === undefined) {
    if (method !== 'DELETE') return ok(shapeOf(row));
    rows.delete(row.id);
    return ok({ msg: 'deleted' });
  }
  if (what === 'state') return ok({ id: row.id, state: row.state });
  if (what === 'log') return logPage(row, request.query);
  const session = livy.sessions.get(row.id);
  return session === undefined || collection !== 'sessions'
    ? { status: 404, type: 'text/html;charset=utf-8', text: '' }
    : inSession(livy, session, [what, ...rest], request);
}

function create(livy: LivyState, collection: 'batches' | 'sessions', { body }: FakeRequest): FakeAnswer {
  if (body.length === 0) return bare(400, 'No content to map due to end-of-input');
  const given = mappingOf(body);
  if (given === null)
    return bare(
      400,
      "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
    );
  const keys = collection === 'batches' ? BATCH_KEYS : SESSION_KEYS;
  const unknown = Object.keys(given).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    return bare(
      400,
      `Unrecognized field "${unknown}" (class org.apache.livy.server.${collection}), not marked as ignorable`,
    );
  if (given.kind !== undefined && !['spark', 'pyspark', 'sparkr', 'sql', 'shared'].includes(String(given.kind)))
    return bare(400, `Invalid kind: ${String(given.kind)}`);
  if (livy.options.full) return { status: 400, json: { msg: 'Rejected, too many sessions are being created!' } };
  const name = typeof given.name === 'string' ? given.name : null;
  if (name !== null && /^\d+$/.test(name)) return refuse(`Invalid session name: ${name}`);
  const rows = collection === 'batches' ? livy.batches : livy.sessions;
  const id = livy.next++;
  if (name !== null && [...rows.values()].some((row) => row.name === name))
    return refuse(`Duplicate session name: Some(${name}) for session ${id}`);
  const row = { id, name, request: given, state: 'starting', appId: null, log: [] as string[] | null };
  const isWord = ['numExecutors', 'driverCores', 'executorCores'].some((key) => typeof given[key] === 'string');
  const file = typeof given.file === 'string' ? given.file : null;
  const problem =
    collection === 'sessions'
      ? null
      : file === null
        ? 'requirement failed: File is required.'
        : /^(?:\/|[a-z]\w*:)/.test(file)
          ? null
          : `requirement failed: Path '${file}' is not absolute.`;
  if (problem !== null || isWord) {
    // A refused request stays as an entry that starts for ever.
    livy.batches.set(id, { ...row, log: null });
    return isWord
      ? bare(500, 'java.lang.ClassCastException: class java.lang.String cannot be cast to class java.lang.Integer')
      : refuse(problem ?? '');
  }
  if (collection === 'batches') livy.batches.set(id, row);
  else livy.sessions.set(id, { ...row, kind: typeof given.kind === 'string' ? given.kind : null, statements: [] });
  return { status: 201, json: shapeOf(find(rows, String(id)) ?? row), headers: { location: `/${collection}/${id}` } };
}

function list(rows: ReadonlyMap<number, FakeLivyJob>, { query }: FakeRequest): FakeAnswer {
  const from = Number(query.get('from') ?? 0);
  const all = [...rows.values()];
  return ok({ from, total: all.length, sessions: pageOf(all, from, Number(query.get('size') ?? 100)).map(shapeOf) });
}

function logPage(row: FakeLivyJob, query: URLSearchParams): FakeAnswer {
  const log = windowOf(row);
  const size = Number(query.get('size') ?? 100);
  const from = Number(query.get('from') ?? -1);
  const count = size < 0 ? log.length : size;
  const start = from < 0 ? Math.max(0, log.length - count) : from;
  return ok({ id: row.id, from: start, total: log.length, log: log.slice(start, start + count) });
}

/** The last 200 lines and Livy's two. */
function windowOf(row: FakeLivyJob): readonly string[] {
  return row.log === null ? [] : ['stdout: ', ...row.log.slice(-WINDOW), '\nstderr: '];
}

function inSession(
  livy: LivyState,
  session: FakeLivySession,
  path: readonly string[],
  request: FakeRequest,
): FakeAnswer {
  const [what, number, action] = path;
  const { method, query } = request;
  const isActive = ['idle', 'busy', 'error'].includes(session.state);
  if (what === 'connect' && method === 'POST') return ok(shapeOf(session));
  if (what === 'interrupt' && method === 'POST') return ok({ msg: 'interrupted' });
  if (what === 'stop' && method === 'POST') {
    session.state = 'dead';
    return { status: 204 };
  }
  if (what === 'completion' && method === 'POST') return ok({ candidates: [] });
  if (what !== 'statements') return { status: 404, type: 'text/html;charset=utf-8', text: '' };
  if (number === undefined && method === 'POST') {
    if (!isActive) return bare(500, `java.lang.IllegalStateException: Session is in state ${session.state}`);
    const code = String(mappingOf(request.body)?.code ?? '');
    const statement: FakeLivyStatement = {
      id: session.statements.length,
      code,
      state: 'waiting',
      output: null,
      progress: 0,
      started: 0,
      completed: 0,
    };
    session.statements.push(statement);
    return {
      status: 201,
      json: statement,
      headers: { location: `/sessions/${session.id}/statements/${statement.id}` },
    };
  }
  if (!isActive) return bare(400, "requirement failed: Session isn't active.");
  if (number === undefined) {
    const rows = query.get('order') === 'desc' ? session.statements.toReversed() : session.statements;
    const page = pageOf(rows, Number(query.get('from') ?? 0), Number(query.get('size') ?? 10));
    return ok({ total_statements: session.statements.length, statements: page });
  }
  const statement = session.statements[Number(number)];
  if (statement === undefined) return bare(404, 'Statement not found');
  if (action === 'cancel' && method === 'POST') {
    if (statement.state === 'waiting')
      Object.assign(statement, { state: 'cancelled', progress: 1, completed: Date.now() });
    else if (statement.state === 'running') statement.state = 'cancelling';
    return ok({ msg: 'canceled' });
  }
  if (livy.options.auto && statement.state === 'waiting')
    Object.assign(statement, {
      state: 'available',
      progress: 1,
      started: Date.now(),
      completed: Date.now(),
      output: { status: 'ok', execution_count: statement.id, data: { 'text/plain': '' } },
    });
  return ok(statement);
}

const NEXT: Readonly<Record<string, string>> = { not_started: 'starting', starting: 'running', running: 'success' };

function advance(row: FakeLivyJob): void {
  if ('statements' in row) row.state = row.state === 'starting' ? 'idle' : row.state;
  else if (row.log !== null) row.state = NEXT[row.state] ?? row.state;
}

function find(rows: ReadonlyMap<number, FakeLivyJob>, key: string): FakeLivyJob | undefined {
  return /^\d+$/.test(key) ? rows.get(Number(key)) : [...rows.values()].find((row) => row.name === key);
}

function shapeOf(row: FakeLivyJob): Record<string, unknown> {
  const { id, name, state, appId, request } = row;
  const common = {
    id,
    name,
    owner: null,
    proxyUser: request.proxyUser ?? null,
    state,
    appId,
    appInfo: { driverLogUrl: null, sparkUiUrl: null, executorLogUrls: null },
    log: windowOf(row).slice(-10),
  };
  return 'kind' in row
    ? {
        ...common,
        kind: row.kind,
        ttl: null,
        idleTimeout: request.idleTimeout ?? null,
        driverMemory: request.driverMemory ?? null,
        conf: request.conf ?? {},
      }
    : common;
}

function ok(json: unknown): FakeAnswer {
  return { status: 200, json };
}

function refuse(reason: string): FakeAnswer {
  return { status: 400, json: { msg: `Rejected, Reason: ${reason}` } };
}

/** Text under the wrong type, as Livy sends it. */
function bare(status: number, text: string): FakeAnswer {
  return { status, text, type: 'application/json;charset=utf-8' };
}
