import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../../dsl/json.ts';
import { readConnections } from '../../executors/connections/read.ts';
import { describeConnection } from '../../executors/connections/connection.ts';
import { startFakeFlink, type FakeFlink, type FakeFlinkSwitches } from '../../executors/fakes/flink.ts';
import { FlinkClient, type FlinkServer } from '../../executors/flink/client/client.ts';
import { pathNames, type Endpoint } from '../../executors/flink/client/endpoint.ts';
import {
  actionNameOf,
  ENDPOINT_NAMES,
  ENDPOINTS,
  OTHER_ROUTES,
  type EndpointName,
} from '../../executors/flink/client/endpoints.ts';
import { FlinkApiError, UnsupportedError } from '../../executors/flink/client/errors.ts';
import { portionsOf } from '../../executors/flink/client/portions.ts';
import { problemsOf, word } from '../../executors/flink/client/shapes.ts';
import type { Catalogue } from '../../executors/catalogue.ts';
import { splitScript } from '../../executors/flink/flows/sql-script.ts';
import { natureOf } from '../../executors/flink/outcome.ts';
import { FlinkServers } from '../../executors/flink/servers.ts';
import { createHttpClient, RemoteError } from '../../executors/http-client.ts';
import { createCatalogue } from '../../executors/index.ts';
import { projectRoot } from '../helpers/project.ts';
import { startTlsFront, tlsFile } from './helpers/tls-front.ts';

interface Row {
  readonly method: string;
  readonly path: string;
  readonly server: string;
  readonly client: string | null;
  readonly action: string | null;
  readonly since: string;
  readonly until: string | null;
  readonly python: string | null;
}

interface Recording {
  readonly version: string;
  readonly name: string;
  readonly endpoint: string;
  readonly path: string;
  readonly status: number;
  readonly json?: Json;
  readonly text?: string;
}

const fixtures = join(projectRoot, 'test/executors/fixtures/flink');
const rows = JSON.parse(readFileSync(join(fixtures, 'endpoints.json'), 'utf8')) as readonly Row[];
const recordings = readFileSync(join(fixtures, 'recordings.ndjson'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => parseJson(line) as unknown as Recording);

const JOB = 'a'.repeat(32);
const VERTEX = 'cbc357ccb763df2852fee8c4fc7d55f2';

async function world(
  t: ExecutionContext,
  switches: Partial<FakeFlinkSwitches> = {},
  server: Partial<FlinkServer> = {},
): Promise<{ fake: FakeFlink; client: FlinkClient }> {
  const fake = await startFakeFlink({ version: '2.3.0', ...switches });
  t.teardown(() => fake.close());
  return { fake, client: new FlinkClient({ url: fake.url, strict: true, ...server }) };
}

interface Coverage {
  readonly rows: readonly Row[];
  readonly endpoints: Readonly<Record<string, Endpoint>>;
  readonly client: unknown;
  readonly actions: Pick<Catalogue, 'find'>;
  readonly recordings: readonly Recording[];
}

/** Routes that no recording shows to succeed, and what stands for that. */
const NEVER_RECORDED: Readonly<Record<string, 'recorded refusal' | 'real refusal' | 'real answer'>> = {
  'jobs.rescale': 'recorded refusal',
  'jobs.getRescaling': 'recorded refusal',
  'sql.cancelOperation': 'recorded refusal',
  // In flink-operations.flink.test.ts.
  'sql.completeStatement': 'real answer',
  'jobs.submit': 'real refusal',
  'sql.refreshMaterializedTable': 'real refusal',
  'sql.deployScript': 'real refusal',
};

/** A line for each row that lacks its client method, its action or an answer that its types read. */
function coverageProblems({ rows: documented, endpoints, client, actions, recordings: recorded }: Coverage): string[] {
  const problems: string[] = [];
  const bare = (path: string) =>
    path.replace(/:(\w+)/g, (_, name: string) => `:${name.replaceAll('_', '').toLowerCase()}`);
  const differ = (where: string, what: string, is: unknown, wanted: unknown) => {
    if (is !== wanted) problems.push(`${where}: ${what} is ${String(is)}, not ${String(wanted)}`);
  };
  const groups = client as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
  const reached = new Set<string>();
  for (const row of documented) {
    const where = `${row.method} ${row.path}`;
    if (OTHER_ROUTES.some((one) => one.method === row.method && bare(one.path) === bare(row.path))) continue;
    const name = row.client ?? '';
    const endpoint = endpoints[name];
    if (endpoint === undefined) {
      problems.push(`${where}: there is no ${name}`);
      continue;
    }
    reached.add(name);
    differ(where, 'the route', `${endpoint.method} ${bare(endpoint.path)}`, `${row.method} ${bare(row.path)}`);
    differ(where, 'since', endpoint.since ?? '1.12', row.since);
    differ(where, 'the server', endpoint.server ?? 'jobmanager', row.server);
    differ(where, 'the action', endpoint.noAction === undefined ? actionNameOf(name) : null, row.action);
    if (row.action !== null) differ(where, `the kind of ${row.action}`, actions.find(row.action)?.kind, 'sync');
    const [group = '', method = ''] = name.split('.');
    differ(where, `client.${name}`, typeof groups[group]?.[method], 'function');
    const own = recorded.filter((one) => one.endpoint === where);
    const answers = own.filter(({ status }) => status < 300);
    const known = NEVER_RECORDED[name];
    if (answers.length === 0 && (known === undefined || (known === 'recorded refusal' && own.length === 0)))
      problems.push(`${where}: no answer is recorded`);
    for (const one of answers)
      for (const problem of problemsOf(endpoint.answer.wire, valueOf(one)))
        problems.push(`${where}: ${one.version} ${one.name}: ${problem}`);
  }
  for (const name of Object.keys(endpoints)) if (!reached.has(name)) problems.push(`${name} stands for no row`);
  return problems;
}

/** As the client hands it out: plain numbers. */
function valueOf({ json, text }: Recording): unknown {
  return json === undefined
    ? text
    : JSON.parse(JSON.stringify(json, (_, one) => (typeof one === 'bigint' ? Number(one) : one)));
}

const table = ENDPOINTS as Readonly<Record<string, Endpoint>>;
const covered: Coverage = {
  rows,
  endpoints: table,
  client: new FlinkClient({ url: 'http://127.0.0.1:9' }),
  actions: createCatalogue(),
  recordings,
};

test('every documented route has its client method, its action and an answer that its types read', (t) => {
  t.is(rows.length, 113);
  t.deepEqual(coverageProblems(covered), []);
  t.is(ENDPOINT_NAMES.length + OTHER_ROUTES.length, rows.length);
  // The rows of the Python client, which a table in the documentation leads over.
  t.is(rows.filter(({ python }) => python !== null).length, 49);
  t.is(ENDPOINT_NAMES.filter((name) => (ENDPOINTS[name] as Endpoint).python !== undefined).length, 49);
  for (const one of recordings) {
    const name = rows.find((row) => `${row.method} ${row.path}` === one.endpoint)?.client ?? '';
    if (one.status < 300 && name in table) t.notThrows(() => table[name]?.answer.read(valueOf(one)), one.name);
  }
});

test('the coverage test finds what is missing or wrong', (t) => {
  const found = (changes: Partial<Coverage>) => coverageProblems({ ...covered, ...changes });
  const { 'jobs.get': jobsGet, ...withoutJobsGet } = table;
  if (jobsGet === undefined) return t.fail('there is no jobs.get');
  const changed = (change: Partial<Endpoint>) => ({ endpoints: { ...table, 'jobs.get': { ...jobsGet, ...change } } });
  t.deepEqual(found({ endpoints: withoutJobsGet }), ['GET /jobs/:jobid: there is no jobs.get']);
  t.regex(found(changed({ path: '/jobs/:jobId/x' })).join(), /the route is GET \/jobs\/:jobid\/x/);
  t.regex(found(changed({ since: '1.20' })).join(), /since is 1.20/);
  t.regex(found(changed({ noAction: 'no' })).join(), /the action is null/);
  t.regex(found({ rows: rows.filter(({ client }) => client !== 'jobs.get') }).join(), /jobs.get stands for no row/);
  t.regex(found({ client: { jobs: {} } }).join(), /client.jobs.get is undefined/);
  t.true(found({ actions: { find: () => undefined } }).length > 100);
  const none = recordings.filter(({ endpoint }) => endpoint !== 'GET /jobs/:jobid');
  t.deepEqual(found({ recordings: none }), ['GET /jobs/:jobid: no answer is recorded']);
  // No row takes anything for its answer: each of them refuses what is of another kind.
  const wrong = recordings.map((one) => ({ ...one, ...(one.json === undefined ? { json: 1 } : { json: 'text' }) }));
  const lines = new Set(found({ recordings: wrong }).map((line) => line.replace(/:(?= ).*$/s, '')));
  const answered = rows.filter(
    ({ client, method, path }) =>
      client !== null &&
      client in table &&
      `${method} ${path}` !== 'GET /jars/:jarid/plan' &&
      NEVER_RECORDED[client] === undefined,
  );
  t.deepEqual(
    answered.map(({ method, path }) => `${method} ${path}`).filter((line) => !lines.has(line)),
    [],
  );
  // Nor does one that lacks a key which the table calls necessary.
  let taken = 0;
  for (const one of recordings) {
    const name = rows.find((row) => `${row.method} ${row.path}` === one.endpoint)?.client ?? '';
    const { required } = (table[name]?.answer.wire.schema ?? {}) as { readonly required?: readonly string[] };
    if (one.status > 299 || !isJsonObject(one.json ?? null)) continue;
    for (const key of required ?? []) {
      const { [key]: _, ...rest } = valueOf(one) as Readonly<Record<string, unknown>>;
      t.true(problemsOf(table[name]?.answer.wire ?? word('no row'), rest).length > 0, `${name} without ${key}`);
      taken++;
    }
  }
  t.true(taken > 300, `${taken} keys taken away`);
});

test('recorded refusals are told apart', (t) => {
  const codes = new Map<string, string>();
  for (const { version, name, status, json, text, path, endpoint } of recordings) {
    if (status < 300) continue;
    const body = json === undefined ? (text ?? '') : JSON.stringify(json);
    const error = new FlinkApiError({
      status,
      method: endpoint.split(' ')[0] ?? 'GET',
      path: path.replace(/^\/v\d/, ''),
      text: body,
    });
    codes.set(`${version} ${name}`, error.code);
    t.not(error.rootCause, '', name);
  }
  const expected: Readonly<Record<string, string>> = {
    'jar-run-unknown-jar': 'FLINK_JAR_NOT_FOUND',
    'jar-delete-again': 'FLINK_JAR_NOT_FOUND',
    'jar-run-fails-in-main': 'FLINK_PROGRAM_ERROR',
    'jar-run-entry-class-unknown': 'FLINK_PROGRAM_ERROR',
    'jar-run-duplicate-while-running': 'FLINK_DUPLICATE_JOB',
    'jar-run-duplicate-after-finish': 'FLINK_DUPLICATE_JOB',
    'unknown-job-status': 'FLINK_JOB_NOT_FOUND',
    'unknown-job-job': 'FLINK_JOB_NOT_FOUND',
    'unknown-job-requirements': 'FLINK_JOB_NOT_FOUND',
    'unknown-job-cancel': 'FLINK_JOB_NOT_FOUND',
    'taskmanager-unknown': 'FLINK_TASKMANAGER_NOT_FOUND',
    'cancel-finished': 'FLINK_JOB_ALREADY_TERMINATED',
    'cancel-mode-stop': 'FLINK_STOP_MODE_REMOVED',
    'rescaling-disabled': 'FLINK_RESCALING_DISABLED',
    'requirements-put-default-scheduler': 'FLINK_RESCALING_UNSUPPORTED',
    'job-batch-checkpoints': 'FLINK_NO_CHECKPOINTING',
    'unknown-trigger': 'FLINK_TRIGGER_UNKNOWN',
    'bare-savepoint-no-directory': 'FLINK_NO_SAVEPOINT_DIR',
    'bare-stop-no-directory': 'FLINK_NO_SAVEPOINT_DIR',
    'restricted-upload': 'FLINK_NO_SUCH_ENDPOINT',
    'restricted-run': 'FLINK_NO_SUCH_ENDPOINT',
    'not-found-route': 'FLINK_NO_SUCH_ENDPOINT',
    'jars-upload-two-files': 'FLINK_BAD_REQUEST',
  };
  for (const [name, code] of Object.entries(expected))
    for (const version of ['1.20.5', '2.3.0']) t.is(codes.get(`${version} ${name}`), code, `${version} ${name}`);
  t.is(codes.get('2.3.0 sql-syntax-error-result-1'), 'FLINK_SQL_ERROR');
  t.is(codes.get('1.20.0 sql-session-closed'), 'FLINK_SQL_SESSION_UNKNOWN');
});

test('each method calls its route, and the answer of the fake has the shape of the table', async (t) => {
  const { fake, client } = await world(t, { adaptive: true });
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-client-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'a.jar');
  await writeFile(file, 'not really a zip');
  const jarId = await client.jars.upload(file);
  const jobId = await client.jars.run(jarId, { jobId: JOB, parallelism: 2 });
  t.is(jobId, JOB);
  const session = await client.sql.openSession({ sessionName: 's' });
  const operation = await client.sql.executeStatement(session, { statement: 'SELECT a' });
  const checkpointTrigger = await client.jobs.createCheckpoint(JOB);
  const checkpointId = 1;
  const savepointTrigger = await client.jobs.createSavepoint(JOB, { targetDirectory: 'file:/s' });
  const disposal = await client.savepoints.dispose({ savepointPath: 'file:/s/1' });
  const deletion = await client.cluster.deleteDataset(JOB);
  const ids: Readonly<Record<string, string | number>> = {
    jobId: JOB,
    vertexId: VERTEX,
    jarId,
    datasetId: JOB,
    logFile: 'jobmanager.log',
    file: 'profile.html',
    taskmanagerId: '127.0.0.1:42625-9740eb',
    checkpointId,
    subtaskIndex: 0,
    attempt: 0,
    applicationId: JOB,
    rescaleUuid: JOB,
    sessionHandle: session,
    operationHandle: operation,
    token: 0,
    identifier: 'a.b.c',
  };
  const triggers: Partial<Record<EndpointName, string>> = {
    'jobs.getCheckpoint': checkpointTrigger,
    'jobs.getSavepoint': savepointTrigger,
    'savepoints.getDisposal': disposal,
    'cluster.getDatasetDeletion': deletion,
    'jobs.getRescaling': JOB,
  };
  const options: Partial<Record<EndpointName, object>> = {
    'jobs.rescale': { parallelism: 1 },
    'jobs.updateResourceRequirements': { requirements: await client.jobs.getResourceRequirements(JOB) },
    'jobs.heartbeat': { expiredTimestamp: 1 },
    'savepoints.dispose': { savepointPath: 'file:/s/1' },
    'sql.executeStatement': { statement: 'SELECT 1' },
    'sql.configureSession': { statement: 'USE a' },
    'sql.completeStatement': { statement: 'SEL', position: 3 },
    'sql.deployScript': { script: 'SELECT 1' },
  };
  // What takes away the ground from others comes last; two are made of files.
  const late: readonly EndpointName[] = [
    'sql.closeOperation',
    'sql.closeSession',
    'jobs.terminate',
    'jobs.yarnCancel',
    'jobs.stop',
    'jars.delete',
  ];
  const others = ENDPOINT_NAMES.filter(
    (name) => !late.includes(name) && !['jars.upload', 'jobs.submit'].includes(name),
  );
  const groups = client as unknown as Readonly<
    Record<string, Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>>
  >;
  for (const name of [...others, ...late]) {
    const [group = '', method = ''] = name.split('.');
    const args = pathNames(ENDPOINTS[name].path).map((part) => (part === 'triggerId' ? triggers[name] : ids[part]));
    const before = fake.requests.length;
    const call = groups[group]?.[method]?.(...args, options[name] ?? {});
    if (name === 'jobs.rescale' || name === 'jobs.getRescaling') {
      await t.throwsAsync(async () => call, { code: 'FLINK_RESCALING_DISABLED' }, name);
    } else if (name === 'sql.cancelOperation') {
      await t.throwsAsync(async () => call, { code: 'FLINK_SQL_ERROR' }, name);
    } else {
      await t.notThrowsAsync(async () => call, name);
    }
    t.true(fake.requests.length > before, `${name} made no request`);
    const sent = fake.requests.slice(before);
    const pattern = ENDPOINTS[name].path.replace(/:\w+/g, '[^/]+');
    const wanted = new RegExp(`^${ENDPOINTS[name].method} (?:/v\\d)?${pattern}$`);
    t.true(
      sent.some((line) => wanted.test(line)),
      `${name}: ${sent.join(', ')}`,
    );
  }
  t.regex(await client.jobs.submit({ plan: file, jars: [file] }), /^\/jobs\/[0-9a-f]{32}$/);
});

test('metrics are asked for in lines that Flink reads, and merged', async (t) => {
  const { fake, client } = await world(t);
  const get = Array.from({ length: 300 }, (_, index) => `operator.metric.with.a.long.name.${index}`);
  const values = await client.vertices.metrics(await jobOn(fake), VERTEX, { get });
  t.deepEqual(Object.keys(values).sort(), [...get].sort());
  const calls = fake.requests.filter((line) => line.endsWith('/metrics'));
  t.true(calls.length > 1 && calls.length < 10, `${calls.length} calls`);
  const all = await client.taskmanagers.metrics();
  t.true(Object.values(all).every(({ max }) => typeof max === 'number') && Object.keys(all).length > 0);
  t.deepEqual(portionsOf(['aa', 'bb', 'c'], 10), [['aa', 'bb'], ['c']]);
  t.deepEqual(portionsOf(['much longer than the room'], 3), [['much longer than the room']]);
  t.deepEqual(portionsOf([], 10), []);
});

test('what a version lacks is refused before any call; the version is asked for once', async (t) => {
  const { fake, client } = await world(t, { version: '1.13.2' });
  for (const call of [
    () => client.jobs.getStatus(JOB),
    () => client.jobs.stop(JOB, { triggerId: JOB }),
    () => client.jars.run('x.jar', { flinkConfiguration: { a: 'b' } }),
    () => client.applications.overview(),
  ]) {
    await t.throwsAsync<UnsupportedError>(call, {
      instanceOf: UnsupportedError,
      message: /needs Flink .*; the cluster runs 1\.13\.2/,
    });
  }
  t.deepEqual(fake.requests, ['GET /v1/config']);
  await t.notThrowsAsync(new FlinkClient({ url: fake.url, version: '2.3.0' }).jobs.all());
  // A gateway of its own has versions of its own.
  const old = await startFakeFlink({ version: '1.16.0' });
  t.teardown(() => old.close());
  await t.notThrowsAsync(new FlinkClient({ url: old.url }).sql.openSession());
  t.true(old.requests.includes('POST /v2/sessions'));
});

test('wrong ids, keys and values never leave the client', async (t) => {
  const { fake, client } = await world(t);
  const wrong: readonly (() => Promise<unknown>)[] = [
    () => client.jobs.get('../cluster'),
    () => client.jobs.get(''),
    () => client.jars.delete('..'),
    () => client.savepoints.dispose({ path: 'x' } as never),
    () => client.jars.run('a.jar', { parallelism: 1.5 }),
    () => client.jobs.createSavepoint(JOB, { formatType: 'OTHER' as 'NATIVE', triggerId: JOB }),
  ];
  for (const call of wrong) await t.throwsAsync(call, { code: 'FLINK_BAD_REQUEST' });
  t.deepEqual(
    fake.requests.filter((line) => line !== 'GET /v1/config'),
    [],
  );
});

test('several JobManagers: the next one is asked when one cannot be reached or has no leader', async (t) => {
  const { fake } = await world(t);
  const electing = await startFakeFlink({ electing: true });
  t.teardown(() => electing.close());
  const gone = await startFakeFlink();
  await gone.close();
  const client = new FlinkClient({ url: gone.url, otherUrls: [electing.url, fake.url] });
  t.deepEqual(await client.jobs.all(), []);
  t.deepEqual(await client.jobs.all(), []);
  t.is(electing.requests.length, 1, 'the one that answered is asked first the next time');
  fake.switches.loseCalls = 1;
  const jar = [...fake.jars.keys()][0] ?? 'none.jar';
  await t.throwsAsync(client.jars.run(jar));
  t.is(electing.requests.length, 1, 'a lost start is never sent elsewhere');
});

test('calls that find the first JobManager gone at the same moment all reach the second one', async (t) => {
  const { fake } = await world(t);
  const gone = await startFakeFlink();
  await gone.close();
  for (const count of [2, 3, 8]) {
    const client = new FlinkClient({ url: gone.url, otherUrls: [fake.url] });
    t.is((await Promise.all(Array.from({ length: count }, () => client.jobs.all()))).length, count);
    // And whoever comes later asks the one that answers.
    await client.jars
      .run('none.jar')
      .catch((error: unknown) => t.is((error as FlinkApiError).code, 'FLINK_JAR_NOT_FOUND'));
  }
});

test('calls that may be repeated wait for the end of an election; starts do not', async (t) => {
  const { fake } = await world(t, { electing: true });
  const client = new FlinkClient({ url: fake.url, retryForMs: 20_000 });
  const overview = client.cluster.overview();
  await t.throwsAsync(client.jars.run('x.jar'), { code: 'FLINK_UNAVAILABLE' });
  fake.switches.electing = false;
  t.is((await overview)['slots-total'], 4);
});

test('jars switched off are named as that; a page of a proxy is an error', async (t) => {
  const { fake, client } = await world(t, { submits: false });
  await t.throwsAsync(client.jars.all(), { code: 'FLINK_SUBMIT_DISABLED', message: /web\.submit\.enable is false/ });
  await t.throwsAsync(client.jars.upload(join(fixtures, 'endpoints.json'), { name: 'a.jar' }), {
    code: 'FLINK_SUBMIT_DISABLED',
  });
  fake.switches.page = { status: 200, text: '<html>login</html>' };
  await t.throwsAsync(client.jobs.all(), { code: 'FLINK_UNAVAILABLE' });
});

test('authentication travels with each call, and requests at once are bounded', async (t) => {
  const seen: string[] = [];
  let open = 0;
  let most = 0;
  const http = {
    exchange: async (request: { readonly headers?: Readonly<Record<string, string>> }) => {
      most = Math.max(most, ++open);
      seen.push(request.headers?.authorization ?? '');
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      const body = Buffer.from('{"jobs": []}');
      return { status: 200, reason: '', headers: [], url: '', history: [], body, elapsedMs: 0 };
    },
    close: async () => {},
  };
  const basic = new FlinkClient(
    { url: 'http://x', auth: { kind: 'basic', user: 'u', password: 'p' }, concurrency: 2 },
    http,
  );
  await Promise.all(Array.from({ length: 7 }, () => basic.jobs.all()));
  t.is(most, 2);
  await new FlinkClient({ url: 'http://x', auth: { kind: 'bearer', token: 'abc' } }, http).jobs.all();
  t.deepEqual([...new Set(seen)], [`Basic ${Buffer.from('u:p').toString('base64')}`, 'Bearer abc']);
  const stopped = new AbortController();
  const first = basic.jobs.all();
  const second = basic.jobs.all();
  const third = basic.jobs.all({ signal: stopped.signal });
  stopped.abort(new Error('enough'));
  await t.throwsAsync(third, { message: 'enough' });
  await Promise.all([first, second]);
  await t.notThrowsAsync(basic.jobs.all());
});

test('over TLS: an authority of our own, basic and bearer, a client certificate, and the next JobManager when one is gone', async (t) => {
  const { fake } = await world(t);
  const basic = `Basic ${Buffer.from('ops:secret-1').toString('base64')}`;
  const [first, second] = [
    await startTlsFront(fake.url, { authorization: basic }),
    await startTlsFront(fake.url, { authorization: basic, clientCertificate: true }),
  ];
  const bearer = await startTlsFront(fake.url, { authorization: 'Bearer secret-2' });
  t.teardown(() => Promise.all([first, second, bearer].map((front) => front.close())));
  const tls = { ca_file: tlsFile('ca.pem') };
  const certified = { ...tls, cert_file: tlsFile('client.pem'), key_file: tlsFile('client.key') };
  const auth = { basic: { user: 'ops', password: 'secret-1' } };
  const clientOf = connectedClients(t, {
    both: { type: 'flink', urls: [first.url, second.url], auth, tls: certified },
    bearer: { type: 'flink', url: bearer.url, auth: { bearer: 'secret-2' }, tls },
    wrong: { type: 'flink', url: bearer.url, auth: { bearer: 'secret-3' }, tls },
  });
  const both = clientOf('both');
  const jar = join(fixtures, 'endpoints.json');
  const jarId = await both.jars.upload(jar, { name: 'a.jar' });
  await both.jars.run(jarId, { jobId: JOB });
  t.is((await both.jobs.get(JOB)).state, 'RUNNING');
  t.is(second.seen.length, 0);
  await first.close();
  t.is((await both.jobs.get(JOB)).state, 'RUNNING');
  t.deepEqual(second.passed, [`GET /v1/jobs/${JOB}`]);
  // The one that answered is asked first from now on, for what starts something as well.
  await both.jars.run(jarId, { jobId: 'b'.repeat(32) });
  t.is(fake.jobs.size, 2);

  t.is((await clientOf('bearer').jobs.all()).length, 2);
  const refused = await t.throwsAsync(clientOf('wrong').jobs.all(), { code: 'FLINK_AUTH' });
  t.regex(refused?.message ?? '', /answered 401: Authorization Required/);
  t.notRegex(refused?.message ?? '', /secret/);
});

test('a certificate that is not trusted is refused with a clear text, and the credentials are not sent', async (t) => {
  const { fake } = await world(t);
  const front = await startTlsFront(fake.url);
  const strict = await startTlsFront(fake.url, { clientCertificate: true });
  t.teardown(() => Promise.all([front.close(), strict.close()]));
  const port = new URL(front.url).port;
  const auth = { bearer: 'secret' };
  const ca = { ca_file: tlsFile('ca.pem') };
  const clientOf = connectedClients(t, {
    usual: { type: 'flink', url: front.url, auth },
    other: { type: 'flink', url: front.url, auth, tls: { ca_file: tlsFile('other.pem') } },
    name: { type: 'flink', url: `https://localhost:${port}`, auth, tls: ca },
    uncertified: { type: 'flink', url: strict.url, auth, tls: ca },
    plain: { type: 'flink', url: fake.url.replace('http:', 'https:'), auth, tls: ca },
    any: { type: 'flink', url: front.url, tls: { verify: false } },
  });
  const wrong: Readonly<Record<string, RegExp>> = {
    usual: new RegExp(
      `^The certificate of 127\\.0\\.0\\.1:${port} is not trusted: unable to verify the first certificate`,
    ),
    other: new RegExp(`^The certificate of 127\\.0\\.0\\.1:${port} is not trusted: `),
    name: new RegExp(`^The certificate of localhost:${port} is not trusted: Hostname/IP does not match`),
    plain: /wrong version number|packet length too long/i,
  };
  for (const [name, message] of Object.entries(wrong)) {
    const error = await t.throwsAsync<RemoteError>(
      clientOf(name).jobs.all(),
      { instanceOf: RemoteError, message },
      name,
    );
    t.is(error?.fault, 'tls', name);
    // Nobody tries again for hours what somebody has to configure.
    t.is(natureOf(error), 'final', name);
    t.notRegex(error?.message ?? '', /secret/);
  }
  // With TLS 1.3 a client may hear of that before or after the connection is closed.
  await t.throwsAsync(clientOf('uncertified').jobs.all(), { instanceOf: RemoteError });
  t.deepEqual([...front.seen, ...strict.seen, ...fake.requests], []);
  t.deepEqual(await clientOf('any').jobs.all(), []);
});

/** Clients as actions get them for connections of the configuration. */
function connectedClients(t: ExecutionContext, section: JsonObject): (name: string) => FlinkClient {
  const http = { forUsers: createHttpClient(null), forConnections: createHttpClient(null) };
  t.teardown(() => Promise.all([http.forUsers.close(), http.forConnections.close()]));
  const servers = new FlinkServers({ connections: readConnections(section, {}), jarsFolder: tmpdir() }, http);
  return (name) => {
    const target = servers.target({ cluster: name });
    if (typeof target === 'string') throw new Error(target);
    return servers.client(target);
  };
}

test('an upload that stands still ends', async (t) => {
  const server = createServer();
  server.on('request', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => void server.close());
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-client-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'a.jar');
  await writeFile(file, 'x');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new FlinkClient({ url, uploadSilenceMs: 100 });
  await t.throwsAsync(client.jars.upload(file), { message: /stood still for 0.1 seconds/ });
});

test('a vertex can be bound; an attempt that is not named is the current one', async (t) => {
  const { fake, client } = await world(t);
  const vertex = client.jobs.vertex(await jobOn(fake), VERTEX);
  t.truthy((await vertex.details()).name);
  t.is((await vertex.subtasks.getAttempt(0)).subtask, 0);
  t.true(fake.requests.at(-1)?.endsWith('/subtasks/0/attempts/0'));
});

test('connections are read with their secrets, and every fault is named with its place', (t) => {
  const environment = { TOKEN: 'very secret' };
  const connections = readConnections(
    {
      a: {
        type: 'flink',
        urls: ['https://one:8081/', 'https://two:8081'],
        auth: { bearer: { env: 'TOKEN' } },
        headers: { 'X-Team': 'data' },
        limits: { requests: 4, jobs: 2 },
        timeout: 5,
        sql_gateway_url: 'http://one:8083',
      },
      b: { type: 'livy', url: 'http://livy', auth: { basic: { user: 'u', password: 'p' } }, tls: { verify: false } },
    },
    environment,
  );
  t.like(connections.find('a'), {
    urls: ['https://one:8081', 'https://two:8081'],
    headers: { 'x-team': 'data', authorization: 'Bearer very secret' },
    timeoutMs: 5000,
    limits: { requests: 4, jobs: 2 },
    gatewayUrl: 'http://one:8083',
  });
  const described = connections.list().map(describeConnection).join('\n');
  t.notRegex(described, /secret|dTpw/);
  t.regex(described, /a: flink at https:\/\/one:8081, .*authorization: \*\*\*.*2 jobs at once/);
  const faults = t.throws(() =>
    readConnections(
      {
        x: {
          type: 'flinc',
          url: 'ftp://y',
          auth: { bearer: { env: 'NONE' } },
          tls: { cert_file: '/no/where' },
          limit: {},
        },
        y: { type: 'flink' },
        z: { type: 'flink', url: 'http://me:pass@host', urls: ['http://b'], timeout: 'long' },
        q: { type: 'livy', url: 'https://proxy/livy?token=hush' },
      },
      environment,
    ),
  );
  for (const part of [
    /connections\.x\.type must be one of flink, /,
    /connections\.x\.url must be an http or https address/,
    /connections\.x\.auth\.bearer names the variable NONE, which is not set/,
    /connections\.x\.tls\.cert_file names \/no\/where, which cannot be read/,
    /connections\.x\.limit is not known; did you mean 'limits'\?/,
    /connections\.y\.url is missing/,
    /connections\.z\.url holds a user or password; put them under auth/,
    /connections\.z\.timeout must be a number/,
    /connections\.q\.url must end with its path, without \? and #/,
  ])
    t.regex(faults?.message ?? '', part);
  t.notRegex(faults?.message ?? '', /pass@|hush/);
});

test('scripts are cut at semicolons that end statements', (t) => {
  t.deepEqual(
    splitScript(`
      -- first; not an end
      SET 'a;b' = 'it''s; fine';
      CREATE TABLE \`odd;name\` (x INT) /* ; */ WITH ('k' = 'v');
      EXECUTE STATEMENT SET BEGIN
        INSERT INTO a SELECT CASE WHEN x > 1 THEN 1 ELSE 2 END FROM t;
        INSERT INTO b SELECT x FROM t;
      END;
      ; -- nothing
      SELECT 1`),
    [
      "-- first; not an end\n      SET 'a;b' = 'it''s; fine'",
      "CREATE TABLE `odd;name` (x INT) /* ; */ WITH ('k' = 'v')",
      'EXECUTE STATEMENT SET BEGIN\n        INSERT INTO a SELECT CASE WHEN x > 1 THEN 1 ELSE 2 END FROM t;\n        INSERT INTO b SELECT x FROM t;\n      END',
      '-- nothing\n      SELECT 1',
    ],
  );
  t.deepEqual(splitScript("SELECT 'open"), ["SELECT 'open"]);
  t.deepEqual(splitScript(' ; /* only this */ ; '), []);
});

async function jobOn(fake: FakeFlink): Promise<string> {
  const client = new FlinkClient({ url: fake.url });
  fake.jars.set('j.jar', { name: 'j.jar', bytes: 1 });
  return client.jars.run('j.jar');
}
