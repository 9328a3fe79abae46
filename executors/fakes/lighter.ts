import { randomUUID } from 'node:crypto';
import { mappingOf, pageOf, startFake, type FakeAnswer, type FakeRequest, type FakeServer } from './http-fake.ts';

/**
 * Lighter on a real socket, as its code answers: `total` is the length of the page, a state filter that is not written in capitals is dropped,
 * a deletion answers 200 for any id, secrets in `conf` read back as `[redacted]`. Applications move only when told, or by themselves with `auto`.
 */
export interface FakeLighter extends FakeServer {
  /** Batches and sessions by id, oldest first. */
  readonly applications: Map<string, FakeApplication>;
  readonly options: FakeLighterOptions;
}

export interface FakeLighterOptions {
  /** Before 0.1.6 `search` is ignored. */
  knowsSearch: boolean;
  /** How many sessions may run; null: no limit. */
  maxSessions: number | null;
  auto: boolean;
}

export interface FakeApplication {
  readonly id: string;
  readonly type: 'BATCH' | 'SESSION' | 'PERMANENT_SESSION';
  readonly submitParams: Readonly<Record<string, unknown>>;
  state: string;
  appId: string | null;
  /** null: no log yet. */
  log: string[] | null;
  readonly statements: FakeLighterStatement[];
  readonly createdAt: string;
}

export interface FakeLighterStatement {
  readonly id: string;
  readonly code: string;
  state: string;
  output: Record<string, unknown> | null;
  readonly createdAt: string;
}

export async function startFakeLighter(
  options: Partial<FakeLighterOptions & { port: number }> = {},
): Promise<FakeLighter> {
  const { port, ...rest } = options;
  const state: LighterState = {
    applications: new Map(),
    options: { knowsSearch: true, maxSessions: null, auto: false, ...rest },
  };
  const server = await startFake({
    ...(port !== undefined && { port }),
    handle: (request) => route(state, request),
    starts: ({ method, parts }) => (method === 'POST' && parts.at(-1) !== 'cancel') || method === 'PUT',
  });
  return { ...server, ...state };
}

interface LighterState extends Pick<FakeLighter, 'applications' | 'options'> {}

function route(lighter: LighterState, request: FakeRequest): FakeAnswer {
  const [first, second, collection, id, what, ...rest] = request.parts;
  if (first !== 'lighter' || second !== 'api') return problem(request, 404, 'Page Not Found');
  if (collection === 'configuration') return { status: 200, json: configuration(lighter) };
  if (collection !== 'batches' && collection !== 'sessions') return problem(request, 404, 'Page Not Found');
  const isBatch = collection === 'batches';
  if (id === undefined)
    return request.method === 'POST' ? create(lighter, request, isBatch, null) : list(lighter, request, isBatch);
  if (request.method === 'PUT' && !isBatch) return create(lighter, request, false, id);
  const row = lighter.applications.get(id);
  if (request.method === 'DELETE' && what === undefined) {
    lighter.applications.delete(id);
    return { status: 200 };
  }
  if (what === 'statements' && !isBatch) return statements(lighter, row, rest, request);
  if (row === undefined) return problem(request, 404, 'Not Found');
  if (lighter.options.auto) advance(row);
  if (what === undefined || what === 'state') return { status: 200, json: shapeOf(row) };
  if (what !== 'log') return problem(request, 404, 'Page Not Found');
  if (request.headers['x-compatibility-mode'] === 'sparkmagic' && !isBatch)
    return { status: 200, json: row.log === null ? {} : { id, log: row.log } };
  return row.log === null
    ? problem(request, 404, 'Not Found')
    : { status: 200, json: { id, log: row.log.slice(-500).join('\n') } };
}

function create(lighter: LighterState, request: FakeRequest, isBatch: boolean, ownId: string | null): FakeAnswer {
  const given = mappingOf(request.body);
  if (given === null) return problem(request, 400, 'Failed to convert argument [params]');
  if (isBatch && typeof given.file !== 'string') return problem(request, 400, 'file must not be null');
  const sessions = [...lighter.applications.values()].filter((row) => row.type !== 'BATCH');
  const { maxSessions } = lighter.options;
  if (!isBatch && maxSessions !== null && sessions.length >= maxSessions)
    return problem(request, 400, 'Session limit reached', { maxRunning: maxSessions });
  if (ownId !== null && lighter.applications.has(ownId))
    return problem(request, 409, 'Session already exists', { sessionId: ownId });
  const id = ownId ?? randomUUID();
  const { permanent, ...params } = given;
  const row: FakeApplication = {
    id,
    type: isBatch ? 'BATCH' : permanent === true ? 'PERMANENT_SESSION' : 'SESSION',
    submitParams: { ...DEFAULTS, ...params, conf: textsOf(given.conf) },
    state: 'not_started',
    appId: null,
    log: null,
    statements: [],
    createdAt: now(),
  };
  lighter.applications.set(id, row);
  return { status: isBatch ? 200 : 201, json: shapeOf(row) };
}

const DEFAULTS = {
  name: null,
  file: null,
  master: null,
  mainClass: null,
  numExecutors: 1,
  executorCores: 1,
  executorMemory: '1000M',
  driverCores: 1,
  driverMemory: '1000M',
  args: [],
  pyFiles: [],
  files: [],
  jars: [],
  archives: [],
};

function list(lighter: LighterState, { query }: FakeRequest, isBatch: boolean): FakeAnswer {
  const from = Number(query.get('from') ?? 0);
  const size = Number(query.get('size') ?? 100);
  const state = query.get('state');
  const search = lighter.options.knowsSearch ? query.get('search')?.toLowerCase() : undefined;
  const rows = [...lighter.applications.values()]
    .filter((row) => (row.type === 'BATCH') === isBatch)
    .filter((row) => state === null || state !== state.toUpperCase() || row.state.toUpperCase() === state)
    .filter(
      (row) => search === undefined || `${row.id}${JSON.stringify(row.submitParams)}`.toLowerCase().includes(search),
    )
    .toReversed();
  const page = pageOf(rows, from, size);
  return { status: 200, json: { from, total: page.length, applications: page.map(shapeOf) } };
}

function statements(
  lighter: LighterState,
  row: FakeApplication | undefined,
  [id, action]: readonly string[],
  request: FakeRequest,
): FakeAnswer {
  if (id === undefined && request.method === 'GET') {
    const from = Number(request.query.get('from') ?? 0);
    const page = pageOf((row?.statements ?? []).toReversed(), from, Number(request.query.get('size') ?? 100));
    return { status: 200, json: { from, statements: page } };
  }
  if (row === undefined) return problem(request, 404, 'Not Found');
  if (id === undefined) {
    if (/^(?:dead|error|killed|success)$/.test(row.state))
      return problem(request, 400, 'Session is not active', { sessionState: row.state });
    const statement: FakeLighterStatement = {
      id: randomUUID(),
      code: String(mappingOf(request.body)?.code ?? ''),
      state: 'waiting',
      output: null,
      createdAt: now(),
    };
    row.statements.push(statement);
    return { status: 201, json: statement };
  }
  const statement = row.statements.find((one) => one.id === id);
  if (statement === undefined) return problem(request, 404, 'Not Found');
  if (action === 'cancel') {
    if (statement.state === 'waiting') statement.state = 'cancelled';
    return { status: 201, json: statement };
  }
  if (lighter.options.auto && statement.state === 'waiting')
    Object.assign(statement, {
      state: 'available',
      output: { status: 'ok', executionCount: 1, data: { 'text/plain': '' } },
    });
  return { status: 200, json: statement };
}

function advance(row: FakeApplication): void {
  const next: Readonly<Record<string, string>> = {
    not_started: 'starting',
    starting: row.type === 'BATCH' ? 'busy' : 'idle',
    busy: 'success',
  };
  row.state = next[row.state] ?? row.state;
  if (row.state !== 'starting' && row.appId === null) row.appId = `spark-${row.id.replaceAll('-', '')}`;
  row.log ??= [];
}

function shapeOf(row: FakeApplication): Record<string, unknown> {
  const conf = Object.entries(row.submitParams.conf as Record<string, string>).map(([key, value]) => [
    key,
    /secret|password|token|access[.]?key/i.test(key) ? '[redacted]' : value,
  ]);
  const { id, type, state, appId, createdAt } = row;
  const submitParams = { ...row.submitParams, conf: Object.fromEntries(conf) };
  return {
    id,
    type,
    state,
    appId,
    appInfo: null,
    kind: 'pyspark',
    log: [],
    submitParams,
    createdAt,
    contactedAt: null,
    finishedAt: null,
  };
}

function configuration(lighter: LighterState): Record<string, unknown> {
  return {
    sparkHistoryServerUrl: null,
    externalLogsUrlTemplate: null,
    zombieInterval: 'PT30M',
    stateRetainInterval: null,
    sessionConfiguration: {
      timeoutInterval: 'PT90M',
      timeoutActive: false,
      permanentSessions: [],
      scheduleInterval: 'PT1M',
      trackRunningInterval: 'PT2M',
      maxRunning: lighter.options.maxSessions,
    },
    batchDefaultConf: {},
    sessionDefaultConf: {},
  };
}

/** Booleans and numbers are taken and come back as texts. */
function textsOf(conf: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries((conf ?? {}) as Record<string, unknown>).map(([key, value]) => [key, String(value)]),
  );
}

function now(): string {
  return new Date().toISOString().replace('Z', '000');
}

function problem(
  { path }: FakeRequest,
  status: number,
  message: string,
  details?: Record<string, unknown>,
): FakeAnswer {
  return { status, json: { message, path, errors: [{ message, ...(details !== undefined && { details }) }] } };
}
