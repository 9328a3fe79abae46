import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';

/**
 * A session cluster's JobManager on a real socket, for tests: the endpoints that flink.run_jar uses, answering and refusing as
 * Flink 1.20 and 2.3 were recorded to (texts, statuses, field sets), with switches for what goes wrong.
 *
 * Jobs advance only when told: `fake.jobs.get(id).state = 'FINISHED'`.
 */
export interface FakeFlink {
  readonly url: string;
  readonly jobs: Map<string, FakeJob>;
  /** By id. */
  readonly jars: Map<string, { readonly name: string; readonly bytes: number }>;
  /** `METHOD /path`, in order. */
  readonly requests: string[];
  readonly runs: Record<string, unknown>[];
  readonly switches: FakeFlinkSwitches;
  close(): Promise<void>;
}

export interface FakeFlinkSwitches {
  /** `flink-version` of /config. */
  version: string;
  /** Next run calls: the job is accepted and the connection cut before the answer. */
  loseAnswers: number;
  /** Next run calls: the connection is cut and nothing is started. */
  loseCalls: number;
  /** All calls: 503, as during an election. */
  electing: boolean;
  /** The job routes do not know any job, as during a fail-over. */
  forgetful: boolean;
  /** Run calls answer this text as a failed application. */
  failInMain: string | null;
  /** New jobs fail while they are initialised: the run call answers 400, the job exists and is FAILED. */
  failInitialising: string | null;
  /** All calls answer an HTML page, as a proxy does. */
  page: { readonly status: number; readonly text: string } | null;
  /** State of a new job. */
  initialState: string;
  /** Stops make savepoints that fail with this text. */
  failSavepoints: string | null;
}

export interface FakeJob {
  readonly id: string;
  name: string;
  state: string;
  readonly startTime: number;
  /** Class and message of each link, outermost first: for FAILED. */
  failure: readonly string[];
  accumulators: Readonly<Record<string, string>>;
  readonly savepoints: Map<
    string,
    { status: 'IN_PROGRESS' | 'COMPLETED'; location: string | null; failure: string | null }
  >;
  /** State that the cached routes (details, accumulators) still show; null when the cache is fresh. */
  cachedState: string | null;
  /** How the job answers PATCH cancel: at once, or never. */
  obeys: boolean;
}

export async function startFakeFlink(switches: Partial<FakeFlinkSwitches> = {}): Promise<FakeFlink> {
  const fake: FakeState = {
    jobs: new Map(),
    jars: new Map(),
    requests: [],
    runs: [],
    switches: {
      version: '1.20.5',
      loseAnswers: 0,
      loseCalls: 0,
      electing: false,
      forgetful: false,
      failInMain: null,
      failInitialising: null,
      page: null,
      initialState: 'RUNNING',
      failSavepoints: null,
      ...switches,
    },
  };
  const server = createServer((request, response) => {
    handle(fake, request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { ...fake, url: `http://127.0.0.1:${port}`, close: () => close(server) };
}

interface FakeState extends Omit<FakeFlink, 'url' | 'close'> {}

interface Exchange {
  readonly fake: FakeState;
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly request: IncomingMessage;
  /** Cuts the connection without an answer. */
  cut(): void;
}

type Answer = { readonly status: number; readonly body: unknown } | 'cut';

async function handle(fake: FakeState, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://fake');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  fake.requests.push(`${request.method} ${url.pathname}`);
  if (fake.switches.page !== null) {
    response.writeHead(fake.switches.page.status, { 'content-type': 'text/html' }).end(fake.switches.page.text);
    return;
  }
  const answer = fake.switches.electing
    ? problem(503, 'Service temporarily unavailable due to an ongoing leader election. Please refresh.')
    : route({
        fake,
        // The version in front is optional on a JobManager.
        parts: url.pathname
          .replace(/^\/v1(?=\/)/, '')
          .split('/')
          .slice(1)
          .map(decodeURIComponent),
        query: url.searchParams,
        body: Buffer.concat(chunks),
        request,
        cut: () => request.socket.destroy(),
      });
  if (answer === 'cut') {
    request.socket.destroy();
    return;
  }
  response
    .writeHead(answer.status, { 'content-type': 'application/json; charset=UTF-8' })
    .end(JSON.stringify(answer.body));
}

function route(exchange: Exchange): Answer {
  const [first, second, third, fourth] = exchange.parts;
  const method = exchange.request.method ?? 'GET';
  const key = `${method} ${first}`;
  if (key === 'GET config') return config(exchange.fake);
  if (key === 'GET jars' && second === undefined) return listJars(exchange.fake);
  if (key === 'POST jars' && second === 'upload') return upload(exchange);
  if (key === 'POST jars' && third === 'run') return run(exchange, second ?? '');
  if (key === 'DELETE jars' && second !== undefined) return deleteJar(exchange.fake, second);
  if (first === 'jobs' && second !== undefined) return routeJob(exchange, method, second, third, fourth);
  return method === 'GET'
    ? problem(404, `Unable to load requested file ${exchange.request.url}.`)
    : problem(404, `Not found: ${exchange.request.url}`);
}

function routeJob(
  exchange: Exchange,
  method: string,
  id: string,
  what: string | undefined,
  trigger: string | undefined,
): Answer {
  const { fake } = exchange;
  if (!/^[0-9a-fA-F]{32}$/.test(id))
    return problem(
      400,
      `org.apache.flink.runtime.rest.handler.RestHandlerException: Bad request, could not parse parameters: Cannot resolve path parameter (jobid) from value "${id}".`,
    );
  const job = fake.switches.forgetful ? undefined : fake.jobs.get(id.toLowerCase());
  if (method === 'GET' && what === 'status' && atLeast(fake, 1, 16))
    return job === undefined ? unknownJob(id, 500) : ok({ status: job.state });
  if (method === 'POST' && what === 'stop') return stopJob(exchange, job, id);
  if (method === 'PATCH' && what === undefined) return cancelJob(exchange, job, id);
  if (method !== 'GET') return problem(404, `Not found: ${exchange.request.url}`);
  if (what === 'metrics') return ok(job === undefined ? [] : [{ id: 'numRestarts', value: '0' }]);
  if (job === undefined) return unknownJob(id, 404);
  switch (what) {
    case undefined:
      return ok(details(job));
    case 'exceptions':
      return ok(exceptions(fake, job));
    case 'accumulators':
      return ok({
        'job-accumulators': [],
        'user-task-accumulators': Object.entries(job.cachedState === null ? job.accumulators : {}).map(
          ([name, value]) => ({
            name,
            type: 'LongCounter',
            value,
          }),
        ),
        'serialized-user-task-accumulators': {},
      });
    case 'execution-result':
      return ok({
        status: { id: isOver(job) ? 'COMPLETED' : 'IN_PROGRESS' },
        'job-execution-result': { id, 'application-status': job.state },
      });
    case 'savepoints':
      return savepoint(job, trigger ?? '');
    case 'checkpoints':
      return ok({ latest: { savepoint: { external_path: `file:/savepoints/of-${job.id}` }, completed: null } });
    default:
      return problem(404, `Unable to load requested file ${exchange.request.url}.`);
  }
}

function config(fake: FakeState): Answer {
  return ok({
    'refresh-interval': 3000,
    'timezone-name': 'Coordinated Universal Time',
    'timezone-offset': 0,
    'flink-version': fake.switches.version,
    'flink-revision': '0980485 @ 2026-06-08T09:21:06+02:00',
    features: { 'web-submit': true, 'web-cancel': true, 'web-rescale': false, 'web-history': false },
  });
}

function listJars(fake: FakeState): Answer {
  const files = [...fake.jars]
    .reverse()
    .map(([id, { name }]) => ({ id, name, uploaded: 1_795_242_141_428, entry: [] }));
  return ok({ address: 'http://127.0.0.1:8081', files });
}

function upload({ fake, request, body }: Exchange): Answer {
  const boundary = /boundary=(\S+)/.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) return problem(400, 'Bad request');
  const parts = body.toString('latin1').split(`--${boundary}`).slice(1, -1);
  const files = parts.filter((part) => /filename="/.test(part));
  if (parts.length !== 1 || files.length !== 1)
    return problem(400, `Exactly 1 file must be sent, received ${parts.length}.`);
  const name = /filename="([^"]*)"/.exec(files[0] ?? '')?.[1] ?? '';
  if (!name.endsWith('.jar'))
    return problem(400, 'org.apache.flink.runtime.rest.handler.RestHandlerException: Only Jar files are allowed.');
  const id = `${randomUUID()}_${name}`;
  fake.jars.set(id, { name, bytes: (files[0] ?? '').length });
  return ok({ filename: `/tmp/flink-web-upload/${id}`, status: 'success' });
}

function run({ fake, body }: Exchange, jarId: string): Answer {
  const input = JSON.parse(body.length === 0 ? '{}' : body.toString('utf8')) as Record<string, unknown>;
  const unknown = Object.keys(input).find((key) => !runKeys(fake).includes(key));
  // Until 1.19 an unknown key is refused, later it is ignored.
  if (unknown !== undefined && !atLeast(fake, 1, 20)) {
    return problem(400, `Request did not match expected format JarRunRequestBody. Unrecognized field "${unknown}"`);
  }
  if (!fake.jars.has(jarId))
    return serverProblem(
      `org.apache.flink.runtime.rest.handler.RestHandlerException: Jar file /tmp/flink-web-upload/${jarId} does not exist`,
    );
  if (fake.switches.loseCalls > 0) {
    fake.switches.loseCalls--;
    return 'cut';
  }
  fake.runs.push(input);
  const id = typeof input.jobId === 'string' ? input.jobId : randomUUID().replaceAll('-', '');
  if (fake.switches.failInMain !== null)
    return failedApplication([
      'org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: ' +
        fake.switches.failInMain,
      fake.switches.failInMain,
    ]);
  if (fake.jobs.has(id)) return duplicate(fake);
  const job = createJob(id, fake);
  fake.jobs.set(id, job);
  if (fake.switches.failInitialising !== null) {
    job.state = 'FAILED';
    job.failure = [
      'org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.',
      fake.switches.failInitialising,
    ];
    return failedApplication(job.failure);
  }
  if (fake.switches.loseAnswers > 0) {
    fake.switches.loseAnswers--;
    return 'cut';
  }
  return ok(atLeast(fake, 2, 3) ? { jobid: id, applicationId: id } : { jobid: id });
}

function createJob(id: string, fake: FakeState): FakeJob {
  return {
    id,
    name: `job-${id.slice(0, 4)}`,
    state: fake.switches.initialState,
    startTime: Date.now(),
    failure: [],
    accumulators: {},
    savepoints: new Map(),
    cachedState: null,
    obeys: true,
  };
}

function deleteJar(fake: FakeState, id: string): Answer {
  return fake.jars.delete(id)
    ? ok({})
    : problem(
        400,
        `org.apache.flink.runtime.rest.handler.RestHandlerException: File ${id} does not exist in /tmp/flink-web-upload.`,
      );
}

function cancelJob({ query }: Exchange, job: FakeJob | undefined, id: string): Answer {
  if (query.get('mode') === 'stop')
    return { status: 308, body: { errors: ['The termination mode "stop" has been removed.'] } };
  if (job === undefined)
    return problem(
      404,
      `org.apache.flink.runtime.rest.handler.RestHandlerException: Job could not be found.\nCaused by: org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (${id})\n`,
    );
  if (job.state === 'FINISHED' || job.state === 'FAILED') {
    return problem(
      409,
      `org.apache.flink.runtime.rest.handler.RestHandlerException: Job cancellation failed because the job has already reached another terminal state (${job.state}).`,
    );
  }
  if (job.obeys) job.state = 'CANCELED';
  return { status: 202, body: {} };
}

function stopJob({ fake, body }: Exchange, job: FakeJob | undefined, id: string): Answer {
  if (job === undefined) return unknownJob(id, 404);
  const input = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  const wrong = Object.keys(input).find(
    (key) => !['targetDirectory', 'drain', 'formatType', 'triggerId'].includes(key),
  );
  if (wrong !== undefined) return problem(400, `Request did not match expected format. Unrecognized field "${wrong}"`);
  const trigger = typeof input.triggerId === 'string' ? input.triggerId : randomUUID().replaceAll('-', '');
  // The same trigger id is the same savepoint.
  if (!job.savepoints.has(trigger)) {
    const failure = fake.switches.failSavepoints;
    const location =
      failure === null
        ? `${String(input.targetDirectory ?? 'file:/default')}/savepoint-${job.savepoints.size + 1}`
        : null;
    job.savepoints.set(trigger, { status: 'COMPLETED', location, failure });
    if (failure === null) job.state = 'FINISHED';
  }
  return { status: 202, body: { 'request-id': trigger } };
}

function savepoint(job: FakeJob, trigger: string): Answer {
  const found = job.savepoints.get(trigger);
  if (found === undefined)
    return problem(
      404,
      `org.apache.flink.runtime.rest.handler.RestHandlerException: There is no savepoint operation with triggerId=${trigger} for job ${job.id}.`,
    );
  const operation =
    found.location === null
      ? {
          'failure-cause': {
            class: found.failure?.split(':')[0],
            'stack-trace': found.failure,
            'serialized-throwable': '',
          },
        }
      : { location: found.location };
  return ok({ status: { id: found.status }, operation });
}

function details(job: FakeJob): unknown {
  const end = isOver(job) ? job.startTime + 6333 : -1;
  return {
    jid: job.id,
    name: job.name,
    isStoppable: false,
    state: job.cachedState ?? job.state,
    'job-type': 'STREAMING',
    'start-time': job.startTime,
    'end-time': end,
    duration: end < 0 ? Date.now() - job.startTime : 6333,
    maxParallelism: -1,
    now: Date.now(),
    vertices: [
      {
        id: 'cbc357ccb763df2852fee8c4fc7d55f2',
        name: 'Source',
        parallelism: 1,
        status: job.state === 'RUNNING' ? 'RUNNING' : job.state,
      },
    ],
    'status-counts': { RUNNING: job.state === 'RUNNING' ? 1 : 0, FINISHED: job.state === 'FINISHED' ? 1 : 0 },
    plan: {},
  };
}

function exceptions(fake: FakeState, job: FakeJob): unknown {
  if (job.failure.length === 0) return { exceptionHistory: { entries: [], truncated: false } };
  const stack = stackOf(job.failure);
  const entry = {
    exceptionName: (job.failure[0] ?? '').split(':')[0],
    stacktrace: stack,
    timestamp: 1_795_242_149_591,
    failureLabels: {},
    concurrentExceptions: [
      {
        exceptionName: 'java.lang.RuntimeException',
        stacktrace: stack,
        taskName: 'Source: numbers -> step',
        endpoint: '127.0.0.1:40001',
        taskManagerId: '127.0.0.1:40001-1',
      },
    ],
  };
  const history = { exceptionHistory: { entries: [entry], truncated: false } };
  return atLeast(fake, 2, 0)
    ? history
    : { 'root-exception': stack, timestamp: entry.timestamp, 'all-exceptions': [], truncated: false, ...history };
}

function duplicate(fake: FakeState): Answer {
  const cause = atLeast(fake, 2, 3)
    ? 'org.apache.flink.runtime.client.DuplicateApplicationSubmissionException: Application has already been submitted.'
    : 'org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted.';
  return failedApplication([
    "org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: Failed to execute job 'x'.",
    cause,
  ]);
}

function failedApplication(causes: readonly string[]): Answer {
  return problem(
    400,
    stackOf([
      'org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.',
      'java.util.concurrent.CompletionException: org.apache.flink.util.FlinkRuntimeException: Could not execute application.',
      ...causes,
    ]),
  );
}

function unknownJob(id: string, status: number): Answer {
  const cause = `org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (${id})`;
  return status === 500
    ? serverProblem(cause)
    : problem(404, stackOf([`org.apache.flink.runtime.rest.NotFoundException: Job ${id} not found`, cause]));
}

function stackOf(causes: readonly string[]): string {
  return causes
    .map(
      (cause, index) =>
        `${index === 0 ? '' : 'Caused by: '}${cause}\n\tat org.apache.flink.Fake.call(Fake.java:${index + 1})\n`,
    )
    .join('');
}

function serverProblem(text: string): Answer {
  return {
    status: 500,
    body: {
      errors: [
        'Internal server error.',
        `<Exception on server side:\n${text}\n\tat org.apache.flink.Fake.call(Fake.java:1)\n\nEnd of exception on server side>`,
      ],
    },
  };
}

function problem(status: number, text: string): Answer {
  return { status, body: { errors: [text] } };
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function isOver(job: FakeJob): boolean {
  return ['FINISHED', 'FAILED', 'CANCELED'].includes(job.state);
}

function runKeys(fake: FakeState): readonly string[] {
  const keys = [
    'entryClass',
    'programArgsList',
    'programArgs',
    'parallelism',
    'jobId',
    'savepointPath',
    'allowNonRestoredState',
  ];
  if (atLeast(fake, 1, 15)) keys.push('restoreMode');
  if (atLeast(fake, 1, 17)) keys.push('flinkConfiguration');
  if (atLeast(fake, 1, 20)) keys.push('claimMode');
  return keys;
}

function atLeast(fake: FakeState, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = fake.switches.version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
