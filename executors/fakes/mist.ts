import { createHash, randomUUID } from 'node:crypto';
import { mappingOf, pageOf, startFake, type FakeAnswer, type FakeRequest, type FakeServer } from './http-fake.ts';

/**
 * Mist's master on a real socket, in one of its two dialects: errors are plain text or a Java stack trace, absent values are left out, a
 * restart fails every live job with `Worker was stopped`. Jobs move only when told, or by themselves with `auto`.
 */
export interface FakeMist extends FakeServer {
  readonly functions: Map<string, Record<string, unknown>>;
  readonly contexts: Map<string, Record<string, unknown>>;
  /** By id, oldest first. */
  readonly jobs: Map<string, FakeMistJob>;
  /** Names of workers that were stopped. */
  readonly stopped: string[];
  readonly artifacts: Map<string, Buffer>;
  readonly options: FakeMistOptions;
  restart(): void;
}

export interface FakeMistOptions {
  dialect: '0.13' | '1.1';
  auto: boolean;
  /** Whether DELETE of a job ends it. */
  obeys: boolean;
}

export interface FakeMistJob {
  readonly jobId: string;
  readonly name: string;
  readonly context: string;
  readonly externalId: string | null;
  readonly arguments: Record<string, unknown>;
  readonly createTime: number;
  status: string;
  result: unknown;
  log: string;
}

export async function startFakeMist(options: Partial<FakeMistOptions & { port: number }> = {}): Promise<FakeMist> {
  const { port, ...rest } = options;
  const state: MistState = {
    functions: new Map(),
    contexts: new Map([['default', { name: 'default', workerMode: rest.dialect === '0.13' ? 'shared' : 'exclusive' }]]),
    jobs: new Map(),
    stopped: [],
    artifacts: new Map(),
    options: { dialect: '1.1', auto: false, obeys: true, ...rest },
  };
  const server = await startFake({
    ...(port !== undefined && { port }),
    handle: (request) => route(state, request),
    starts: ({ method, parts }) => method === 'POST' && parts.at(-1) === 'jobs',
  });
  return {
    ...server,
    ...state,
    restart() {
      for (const job of state.jobs.values())
        if (isLive(job))
          Object.assign(job, { status: 'failed', result: 'java.lang.RuntimeException: Worker was stopped' });
    },
  };
}

interface MistState extends Omit<FakeMist, keyof FakeServer | 'restart'> {}

const word = (mist: MistState) => (mist.options.dialect === '0.13' ? 'endpoints' : 'functions');
const workerOf = (job: FakeMistJob) => `${job.context}-${job.jobId}`;
const isLive = (job: FakeMistJob) => !/^(?:finished|failed|cancell?ed)$/.test(job.status);

function route(mist: MistState, request: FakeRequest): FakeAnswer {
  const [first, second, collection, id, what] = request.parts;
  if (first !== 'v2' || second !== 'api') return text(404, 'The requested resource could not be found.');
  switch (collection) {
    case word(mist):
      return functions(mist, id, what, request);
    case 'jobs':
      return jobs(mist, id, what, request);
    case 'workers':
      return workers(mist, id, what, request);
    case 'contexts':
      return contexts(mist, id, request);
    case 'artifacts':
      return artifacts(mist, id, what, request);
    case 'status':
      return json({
        mistVersion: mist.options.dialect === '0.13' ? '0.13.2' : '1.1.3',
        sparkVersion: '2.4.0',
        started: '2026-11-21T05:00:00',
        javaVersion: { runtimeVersion: '1.8.0_242-b08' },
      });
    default:
      return text(404, 'The requested resource could not be found.');
  }
}

function functions(
  mist: MistState,
  id: string | undefined,
  what: string | undefined,
  request: FakeRequest,
): FakeAnswer {
  const { method, query } = request;
  if (id === undefined && method === 'GET') return json([...mist.functions.values()]);
  if (id === undefined) return saveFunction(mist, request);
  const found = mist.functions.get(id);
  if (found === undefined) return text(404, `Function with name ${id} not found`);
  if (what === undefined) {
    if (method === 'DELETE') mist.functions.delete(id);
    return json(found);
  }
  if (method === 'GET')
    return jobPage(
      mist,
      [...mist.jobs.values()].filter((job) => job.name === id),
      query,
    );
  const given = mappingOf(request.body);
  if (given === null) return text(400, 'Bad request: Arguments should be a json object');
  const job: FakeMistJob = {
    jobId: randomUUID(),
    name: id,
    context: query.get('context') ?? String(found.defaultContext ?? 'default'),
    externalId: query.get('externalId'),
    arguments: given,
    createTime: Date.now(),
    status: 'queued',
    result: null,
    log: '',
  };
  mist.jobs.set(job.jobId, job);
  return json({ id: job.jobId });
}

function saveFunction(mist: MistState, { method, body }: FakeRequest): FakeAnswer {
  const given = mappingOf(body);
  const missing = ['name', 'path', 'className', 'defaultContext'].find((key) => typeof given?.[key] !== 'string');
  if (given === null || missing !== undefined)
    return text(400, `The request content was malformed:\nNo usable value for ${missing ?? 'name'}`);
  const isThere = mist.functions.has(String(given.name));
  const status = mist.options.dialect === '0.13' ? 409 : 400;
  if (method === 'POST' && isThere) return text(status, `Bad request: Function ${String(given.name)} already exists`);
  if (method === 'PUT' && !isThere) return text(status, `Bad request: Function ${String(given.name)} already exists`);
  const saved = { ...given, lang: String(given.path).endsWith('.py') ? 'python' : 'scala', execute: {}, tags: [] };
  mist.functions.set(String(given.name), saved);
  return json(saved);
}

function jobs(
  mist: MistState,
  id: string | undefined,
  what: string | undefined,
  { method, query }: FakeRequest,
): FakeAnswer {
  if (id === undefined) return jobPage(mist, [...mist.jobs.values()], query);
  if (!/^[\w-]+$/.test(id)) return text(500, 'Server error: java.lang.IllegalArgumentException');
  const job = mist.jobs.get(id);
  if (job === undefined) return text(404, `Job ${id} not found`);
  if (what === 'logs') return { status: 200, text: job.log };
  if (what === 'worker') return text(404, 'The requested resource could not be found.');
  if (method === 'DELETE' && isLive(job))
    job.status = mist.options.obeys ? cancelled(mist) : mist.options.dialect === '0.13' ? job.status : 'cancelling';
  else if (mist.options.auto)
    job.status = ({ queued: 'started', started: 'finished' } as Record<string, string>)[job.status] ?? job.status;
  return json(shapeOf(mist, job));
}

function cancelled(mist: MistState): string {
  return mist.options.dialect === '0.13' ? 'canceled' : 'cancelled';
}

const STATES = 'initialized queued job-file-downloading started finished failed cancelling canceled cancelled'.split(
  ' ',
);

function jobPage(mist: MistState, rows: readonly FakeMistJob[], query: URLSearchParams): FakeAnswer {
  const wanted = query.getAll('status');
  const unknown = wanted.find((one) => !STATES.includes(one));
  if (unknown !== undefined) return text(400, `Bad request: Unknown status ${unknown}`);
  const found = rows.filter((job) => wanted.length === 0 || wanted.includes(job.status)).toReversed();
  const page = pageOf(found, Number(query.get('offset') ?? 0), Number(query.get('limit') ?? 25)).map((job) =>
    shapeOf(mist, job),
  );
  return json(query.get('paginate') === 'true' ? { jobs: page, total: found.length } : page);
}

function shapeOf(mist: MistState, job: FakeMistJob): Record<string, unknown> {
  const hasBegun = job.status !== 'queued' && job.status !== 'initialized';
  return {
    [mist.options.dialect === '0.13' ? 'endpoint' : 'function']: job.name,
    jobId: job.jobId,
    params: { filePath: 'job.py', className: 'Job', arguments: job.arguments, action: 'execute' },
    context: job.context,
    ...(job.externalId !== null && { externalId: job.externalId }),
    source: 'Http',
    createTime: job.createTime,
    ...(hasBegun && { startTime: job.createTime + 10, workerId: workerOf(job) }),
    ...(!isLive(job) && { endTime: job.createTime + 1000 }),
    status: job.status,
    ...(job.result !== null && { jobResult: job.result }),
  };
}

function workers(
  mist: MistState,
  id: string | undefined,
  what: string | undefined,
  { method, query }: FakeRequest,
): FakeAnswer {
  const live = [...mist.jobs.values()].filter((job) => isLive(job) && job.status !== 'queued');
  const shape = (job: FakeMistJob) => ({ name: workerOf(job), address: 'akka.tcp://mist@127.0.0.1:33000' });
  if (id === undefined) return json(live.map(shape));
  const job = [...mist.jobs.values()].find((one) => workerOf(one) === id);
  if (what === 'jobs') return jobPage(mist, job === undefined ? [] : [job], query);
  if (method === 'DELETE') {
    if (job === undefined && mist.options.dialect !== '0.13') return text(400, `Bad request: Unknown worker ${id}`);
    mist.stopped.push(id);
    if (job !== undefined && isLive(job)) Object.assign(job, { status: 'failed', result: 'Worker was stopped' });
    return { status: 200, text: '' };
  }
  return job === undefined
    ? text(404, `Worker ${id} not found`)
    : json({ ...shape(job), initInfo: { sparkConf: {}, maxJobs: 1, downtime: '3600s' } });
}

function contexts(mist: MistState, id: string | undefined, { method, body }: FakeRequest): FakeAnswer {
  if (id === undefined && method === 'GET') return json([...mist.contexts.values()]);
  if (method === 'POST' || method === 'PUT') {
    const given = mappingOf(body);
    const name = id ?? String(given?.name ?? '');
    if (given === null || name === '') return text(400, 'The request content was malformed:\nNo usable value for name');
    if (method === 'PUT' && !mist.contexts.has(name)) return text(404, `Context ${name} not found`);
    if (method === 'POST' && name === 'default')
      return text(400, 'Bad request: Can not create context with name default');
    if (method === 'POST' && mist.options.dialect === '0.13' && mist.contexts.has(name))
      return text(409, `Context ${name} already exists`);
    const saved = {
      sparkConf: {},
      downtime: '3600s',
      maxJobs: 1,
      workerMode: 'exclusive',
      precreated: false,
      runOptions: '',
      streamingDuration: '1s',
      ...given,
      name,
    };
    mist.contexts.set(name, saved);
    return json(saved);
  }
  const found = mist.contexts.get(id ?? '');
  if (found === undefined) return text(404, `Context ${id ?? ''} not found`);
  if (method === 'DELETE') mist.contexts.delete(id ?? '');
  return json(found);
}

function artifacts(
  mist: MistState,
  name: string | undefined,
  what: string | undefined,
  request: FakeRequest,
): FakeAnswer {
  if (name === undefined && request.method === 'GET') return json([...mist.artifacts.keys()]);
  if (name === undefined) {
    const body = request.body.toString('latin1');
    const head = /name="file"; filename="([^"]+)"[^]*?\r\n\r\n/.exec(body);
    if (head === null) return text(400, "Request is missing required form field 'file'");
    const start = (head.index ?? 0) + head[0].length;
    if (mist.artifacts.has(head[1] ?? '') && request.query.get('force')?.toLowerCase() !== 'true')
      return text(409, `Filename must be unique: found ${head[1] ?? ''} in repository`);
    mist.artifacts.set(head[1] ?? '', Buffer.from(body.slice(start, body.lastIndexOf('\r\n--')), 'latin1'));
    return text(200, head[1] ?? '');
  }
  const found = mist.artifacts.get(name);
  if (found === undefined) return text(404, `No file found by name ${name}`);
  if (what === 'sha') return text(200, createHash('sha1').update(found).digest('hex'));
  if (request.method === 'DELETE') mist.artifacts.delete(name);
  return { status: 200, type: 'application/octet-stream', text: found.toString('latin1') };
}

function json(value: unknown): FakeAnswer {
  return { status: 200, json: value };
}

function text(status: number, message: string): FakeAnswer {
  return { status, text: message };
}
