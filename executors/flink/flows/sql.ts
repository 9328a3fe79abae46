import { randomUUID } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { FlinkClient } from '../client/client.ts';
import { FlinkApiError } from '../client/errors.ts';
import type { AnswerOf } from '../client/methods.ts';
import { failureOf } from '../failure.ts';
import { callFailed, natureOf, webUrlOf } from '../outcome.ts';
import { digest } from '../plan.ts';
import type { FlinkServers, FlinkTarget } from '../servers.ts';
import { splitScript } from './sql-script.ts';
import { again, fail, numberOf, succeed, textOf, type Flow, type FlowRun, type FlowStep } from './flow.ts';
import { stateOf, TERMINAL } from './states.ts';

/**
 * flink.sql (spec/flink.md §3.4): statements one after the other in a session of the SQL gateway. What the record holds: the session, the
 * statement that is under way with its operation and the rows that it has given, and what is done.
 */
export function sqlFlow(servers: FlinkServers): Flow {
  return {
    name: 'sql',
    server: 'sql-gateway',
    timeoutSeconds: null,
    onStop: 'end',
    problem: (input) => wrongInput(input, servers),
    step: async (run) => {
      if (run.cancel !== null) return stop(run, servers);
      try {
        return await advance(run, servers);
      } catch (error) {
        if (error instanceof FlinkApiError && error.code === 'FLINK_SQL_SESSION_UNKNOWN') return replay(run);
        if (natureOf(error) === 'final') await close(run);
        throw error;
      }
    },
    lost: fromHistory,
  };
}

/** A job that its cluster has forgotten may be known to the connection's history server: how it ended is enough to go on. */
async function fromHistory(run: FlowRun): Promise<JsonObject | null> {
  const jobId = textOf(run.facts, 'job_id');
  if (jobId === null) return null;
  const archived = await run
    .history()
    ?.jobs.get(jobId, { signal: run.signal })
    .catch(() => null);
  return archived && TERMINAL.has(archived.state) ? { ...run.facts, archived: archived.state } : null;
}

async function advance(run: FlowRun, servers: FlinkServers): Promise<FlowStep> {
  const { client, facts, signal } = run;
  const statements = statementsOf(run.input);
  const session = textOf(facts, 'session');
  if (session === null) {
    const sessionHandle = await client.sql.openSession({
      sessionName: sessionNameOf(run),
      properties: propertiesOf(run.input),
      signal,
    });
    return again('RUNNING', { ...facts, session: sessionHandle, beat_ms: run.nowMs }, 0);
  }
  if (run.nowMs - (numberOf(facts, 'beat_ms') ?? 0) > HEARTBEAT_MS) {
    await client.sql.heartbeat(session, { signal });
    return again('RUNNING', { ...facts, beat_ms: run.nowMs }, 0);
  }
  const index = numberOf(facts, 'index') ?? 0;
  const resume = resumeOf(facts);
  if (resume !== null && index >= (numberOf(resume, 'index') ?? 0))
    return again('RUNNING', { ...facts, ...resume, resume: null }, 0);
  const statement = statements[index];
  if (statement === undefined) return finish(run);
  // A new session has lost what SET, USE and CREATE TEMPORARY did in the old one.
  if (resume !== null && !isSetting(statement)) return again('RUNNING', { ...facts, index: index + 1 }, 0);
  if (typeof facts.job_id === 'string') return waitForJob(run, servers, statement, index, facts.job_id);
  const operation = textOf(facts, 'operation');
  if (operation === null) return start(run, servers, session, statement, index);
  return fetch(run, session, operation, statement, index);
}

/**
 * Who sends a statement is written down first. When the answer is lost, or that process with it, the job of an INSERT, whose id cannot be chosen, is looked for by
 * its name before the statement is sent again; a CREATE or DROP is sent again and may find its work done; what must not be done twice and leaves no trace is an error.
 */
async function start(
  run: FlowRun,
  servers: FlinkServers,
  session: string,
  statement: string,
  index: number,
): Promise<FlowStep> {
  const { client, facts, signal } = run;
  const kind = kindOf(statement);
  const ours = `${index} ${THIS_PROCESS}`;
  const sending = textOf(facts, 'sending');
  const isNoted = sending?.startsWith(`${index} `) === true;
  const isReplay = resumeOf(facts) !== null;
  if (kind !== 'READ' && !isNoted && !isReplay) return again('RUNNING', { ...facts, sending: ours }, 0);
  if (isNoted && sending !== ours) {
    if (kind === 'INSERT') return lookFor(run, servers, statement, index);
    if (kind === 'ONCE')
      return ambiguous(run, statement, index, 'Nothing tells whether it was done: see, and go on from there.');
  }
  // Written down before: an error of this one may be the success of the one before it.
  if (isNoted && sending !== ours && facts.repeated !== index)
    return again('RUNNING', { ...facts, repeated: index }, 0);
  const config = kind === 'INSERT' ? { executionConfig: jobConfigOf(run, index) } : {};
  try {
    const operation = await client.sql.executeStatement(session, { statement, ...config, signal });
    return again('RUNNING', { ...facts, operation, token: 0, rows: [], columns: null }, 100);
  } catch (error) {
    // Read once more for nothing, or tried again already: the server is what is wrong.
    if (kind === 'READ' || isReplay || facts.repeated === index || natureOf(error) !== 'unclear') throw error;
    return again('RUNNING', maybeSent(facts, index, run.nowMs), 1000);
  }
}

async function lookFor(run: FlowRun, servers: FlinkServers, statement: string, index: number): Promise<FlowStep> {
  const { facts, nowMs } = run;
  const marker = markerOf(run, index);
  const jobs = jobManagerOf(run, servers);
  if (jobs === null)
    return ambiguous(
      run,
      statement,
      index,
      `Without url nobody can look: check the cluster for a job named '${marker}'.`,
    );
  const found = await sentJob(run, jobs, index);
  if (found !== null) return again('RUNNING', { ...facts, job_id: found, rows: [] }, 0);
  const since = numberOf(facts, 'looking_since');
  if (since === null) return again('RUNNING', maybeSent(facts, index, nowMs), 1000);
  // The gateway may still be compiling it.
  if (nowMs - since < LOOK_FOR_MS) return again('RUNNING', undefined, 1000);
  const tries = (numberOf(facts, 'tries') ?? 0) + 1;
  if (tries >= MOST_TRIES)
    return ambiguous(run, statement, index, `It was sent ${tries} times, no answer came and no job named '${marker}'.`);
  return again('RUNNING', { ...facts, sending: `${index} ${THIS_PROCESS}`, looking_since: null, tries }, 0);
}

async function ambiguous(run: FlowRun, statement: string, index: number, hint: string): Promise<FlowStep> {
  await close(run);
  return fail('UNKNOWN', 'FLINK_SQL_AMBIGUOUS', `It is not known whether statement ${index + 1} was run. ${hint}`, {
    index,
    statement,
    results: resultsOf(run.facts),
  });
}

function maybeSent(facts: JsonObject, index: number, nowMs: number): JsonObject {
  return { ...facts, sending: `${index} ?`, looking_since: nowMs };
}

async function fetch(
  run: FlowRun,
  session: string,
  operation: string,
  statement: string,
  index: number,
): Promise<FlowStep> {
  const { client, facts, input, signal } = run;
  let answer: AnswerOf<'sql.fetchResults'>;
  try {
    answer = await client.sql.fetchResults(session, operation, numberOf(facts, 'token') ?? 0, { signal });
  } catch (error) {
    if (isTaken(run, statement, error)) return again('RUNNING', { ...facts, job_id: fixedJobId(run, index) }, 0);
    if (!(error instanceof FlinkApiError) || error.code !== 'FLINK_SQL_ERROR') throw error;
    // Done by the try before this one, or in the session before this one where a catalog outlives sessions.
    const isAgain = facts.repeated === index || resumeOf(facts) !== null;
    if (isAgain && isDoneAlready(statement, error)) return nextStatement(run, index, { statement, kind: 'OTHER' });
    await close(run);
    const { output } = callFailed(error, null);
    return fail('ERROR', 'FLINK_SQL_ERROR', `Statement ${index + 1} failed: ${error.rootCause}`, {
      ...(isJsonObject(output) ? { root_cause: output.root_cause ?? null, stack: output.stack ?? null } : {}),
      index,
      statement,
      results: resultsOf(facts),
    });
  }
  if (answer.resultType === 'NOT_READY') return again('RUNNING', undefined, 300);
  const most = numberOf(input, 'max_rows') ?? 1000;
  const rows = [
    ...(Array.isArray(facts.rows) ? facts.rows : []),
    ...(answer.results?.data ?? []).map((row) => rowOf(row, answer)),
  ];
  const columns = answer.results?.columns.map(({ name, logicalType }) => ({ name, type: logicalType.type })) ?? [];
  const kind = answer.isQueryResult === true ? 'QUERY' : kindOf(statement) === 'INSERT' ? 'INSERT' : 'OTHER';
  const jobId = typeof answer.jobID === 'string' ? answer.jobID : null;
  if (kind === 'INSERT' && jobId !== null) return again('RUNNING', { ...facts, job_id: jobId, rows: [] }, 0);
  const next = /\/result\/(\d+)(?:\?|$)/.exec(answer.nextResultUri ?? '')?.[1];
  const isOver = answer.resultType === 'EOS' || next === undefined || rows.length >= most;
  if (!isOver) {
    const isEmpty = (answer.results?.data ?? []).length === 0;
    // An empty payload means "nothing yet".
    return again('RUNNING', { ...facts, token: Number(next), rows, columns: columns as Json }, isEmpty ? 300 : 0);
  }
  // Closing ends the job of a SELECT; cancelling it would be refused, because it is FINISHED once its job runs.
  await client.sql.closeOperation(session, operation, { signal }).catch(ignore);
  const cut = rows.length > most || (answer.resultType !== 'EOS' && next !== undefined);
  return nextStatement(run, index, {
    statement,
    kind,
    ...(jobId !== null && { job_id: jobId }),
    ...(kind === 'QUERY' && { columns: columns as Json, rows: rows.slice(0, most), truncated: cut }),
    ...(kind === 'OTHER' &&
      rows.length > 0 &&
      !isJustOk(rows) && { columns: columns as Json, rows: rows.slice(0, most) }),
  });
}

/** The job of an INSERT, watched at the JobManager: the gateway's own waiting would die with the gateway. */
async function waitForJob(
  run: FlowRun,
  servers: FlinkServers,
  statement: string,
  index: number,
  jobId: string,
): Promise<FlowStep> {
  const { input, facts, signal } = run;
  const result: JsonObject = { statement, kind: 'INSERT', job_id: jobId };
  if ((textOf(input, 'wait_for') ?? 'submitted') === 'submitted') return nextStatement(run, index, result);
  const client = jobManagerOf(run, servers);
  if (client === null)
    return fail('UNKNOWN', 'FLINK_BAD_REQUEST', 'wait_for needs url or cluster: the JobManager that runs the jobs.');
  const state = (await stateOf(client, jobId, signal)) ?? textOf(facts, 'archived');
  if (state === null) return { kind: 'unknown', reason: `Flink does not know job ${jobId} of statement ${index + 1}.` };
  if (state === 'FINISHED' || (input.wait_for === 'running' && state === 'RUNNING'))
    return nextStatement(run, index, { ...result, state });
  if (!TERMINAL.has(state)) return again(state, undefined, 1000);
  await close(run);
  const webUrl = webUrlOf({ url: client.url, jobId }, 'completed');
  const why = await failureOf(client, { jobId, state, name: markerOf(run, index), webUrl }, signal);
  const output = isJsonObject(why.output) ? why.output : {};
  return fail(state, String(output.code), String(output.message), {
    ...output,
    index,
    statement,
    results: resultsOf(facts),
  });
}

function nextStatement({ facts }: FlowRun, index: number, result: JsonObject): FlowStep {
  const isReplay = resumeOf(facts) !== null;
  return again(
    'RUNNING',
    {
      ...facts,
      index: index + 1,
      operation: null,
      job_id: null,
      archived: null,
      sending: null,
      repeated: null,
      tries: null,
      looking_since: null,
      rows: [],
      columns: null,
      results: isReplay ? resultsOf(facts) : [...resultsOf(facts), result],
    },
    0,
  );
}

async function finish(run: FlowRun): Promise<FlowStep> {
  await close(run);
  const results = resultsOf(run.facts);
  const last = results.at(-1);
  return succeed('FINISHED', {
    results,
    // What the last query gave, near at hand.
    columns: isJsonObject(last ?? null) ? ((last as JsonObject).columns ?? null) : null,
    rows: isJsonObject(last ?? null) ? ((last as JsonObject).rows ?? null) : null,
  });
}

/** The session is lost with its gateway: open another, repeat its settings, and go on with the statement that was under way. */
function replay({ facts }: FlowRun): FlowStep {
  const tries = numberOf(facts, 'sessions') ?? 1;
  if (tries >= MOST_SESSIONS)
    return fail('ERROR', 'FLINK_SQL_SESSION_LOST', `The gateway has lost the session ${tries} times.`, {
      results: resultsOf(facts),
    });
  const index = numberOf(facts, 'index') ?? 0;
  const isSent = typeof facts.operation === 'string' || typeof facts.sending === 'string';
  const resume = resumeOf(facts) ?? {
    index,
    job_id: facts.job_id ?? null,
    sending: isSent ? `${index} ?` : null,
    tries: facts.tries ?? null,
  };
  const fresh = { session: null, operation: null, job_id: null, sending: null, repeated: null, looking_since: null };
  return again('RUNNING', { ...facts, ...fresh, index: 0, resume, sessions: tries + 1 }, 1000);
}

/** What was under way when the session was lost: taken up again once the settings before it have been repeated. */
function resumeOf(facts: JsonObject): JsonObject | null {
  return isJsonObject(facts.resume ?? null) ? (facts.resume as JsonObject) : null;
}

async function stop(run: FlowRun, servers: FlinkServers): Promise<FlowStep> {
  const { facts, signal, cancel } = run;
  const isWanted = (textOf(run.input, 'on_cancel') ?? 'cancel') === 'cancel';
  const client = isWanted ? jobManagerOf(run, servers) : null;
  const known = textOf(facts, 'job_id') ?? textOf(resumeOf(facts) ?? {}, 'job_id');
  const jobId = known ?? (client === null ? null : await unheardJob(run, client));
  if (client !== null && jobId !== null) {
    const state = await stateOf(client, jobId, signal);
    if (state !== null && !TERMINAL.has(state)) {
      if (state !== 'CANCELLING') await client.jobs.terminate(jobId, { signal }).catch(ignore);
      return again(state, undefined, 500);
    }
  }
  await close(run);
  const about = { index: facts.index ?? 0, results: resultsOf(facts), ...(jobId !== null && { job_id: jobId }) };
  if (cancel?.reason === 'timeout')
    return fail('CANCELED', 'FLINK_TIMEOUT', `Timeout of flink.sql after ${cancel.seconds} seconds.`, about);
  return {
    kind: 'done',
    state: 'CANCELED',
    result: { kind: 'cancelled', output: { code: 'FLINK_CANCELLED', message: 'flink.sql was cancelled.', ...about } },
  };
}

/** An INSERT that was being sent: once its operation is closed, whatever job has come of it is found by its name. */
async function unheardJob(run: FlowRun, client: FlinkClient): Promise<string | null> {
  const { facts } = run;
  const index = numberOf(resumeOf(facts) ?? facts, 'index') ?? 0;
  const statement = statementsOf(run.input)[index];
  const waits = (textOf(run.input, 'wait_for') ?? 'submitted') !== 'submitted';
  if (!waits || statement === undefined || kindOf(statement) !== 'INSERT') return null;
  await close(run);
  return sentJob(run, client, index);
}

/**
 * The job of an INSERT whose answer was lost. By its name it is found in the list of jobs, which leaves out those that do not answer
 * Flink within its own time limit; under an id of ours it is asked for itself.
 */
async function sentJob(run: FlowRun, client: FlinkClient, index: number): Promise<string | null> {
  const { input, signal } = run;
  if (input.fixed_job_ids === true) {
    const id = fixedJobId(run, index);
    return (await stateOf(client, id, signal)) === null ? null : id;
  }
  const marker = markerOf(run, index);
  return (await client.jobs.overview({ signal })).find(({ name }) => name === marker)?.jid ?? null;
}

/** The cluster refuses an id that it has seen: the INSERT runs already, by the try before this one. */
function isTaken({ input }: FlowRun, statement: string, error: unknown): boolean {
  const isRefusal = error instanceof FlinkApiError && error.code === 'FLINK_DUPLICATE_JOB';
  return input.fixed_job_ids === true && kindOf(statement) === 'INSERT' && isRefusal;
}

/** Closing an operation cancels the job of a SELECT; sessions end by themselves, too, after ten minutes. */
async function close({ client, facts, signal }: FlowRun): Promise<void> {
  const [session, operation] = [textOf(facts, 'session'), textOf(facts, 'operation')];
  if (session === null) return;
  if (operation !== null) await client.sql.closeOperation(session, operation, { signal }).catch(ignore);
  await client.sql.closeSession(session, { signal }).catch(ignore);
}

const ignore = () => null;

function statementsOf(input: JsonObject): readonly string[] {
  if (typeof input.script === 'string') return splitScript(input.script);
  return Array.isArray(input.statements)
    ? input.statements.map((one: Json) => String(one).trim().replace(/;\s*$/, ''))
    : [];
}

function resultsOf(facts: JsonObject): readonly Json[] {
  return Array.isArray(facts.results) ? facts.results : [];
}

function propertiesOf(input: JsonObject): Record<string, string> {
  const given = isJsonObject(input.properties) ? input.properties : {};
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]));
}

function sessionNameOf(run: FlowRun): string {
  return textOf(run.input, 'session_name') ?? `tramontane-${run.triggerId.slice(0, 8)}`;
}

function jobConfigOf(run: FlowRun, index: number): Record<string, string> {
  const name = { 'pipeline.name': markerOf(run, index) };
  return run.input.fixed_job_ids === true ? { ...name, [FIXED_JOB_ID]: fixedJobId(run, index) } : name;
}

function fixedJobId({ triggerId }: FlowRun, index: number): string {
  return digest(`flink/sql/${triggerId}/${index}`);
}

/** An option that Flink keeps to itself (PipelineOptionsInternal), and so not used unless the user says so. */
const FIXED_JOB_ID = '$internal.pipeline.job-id';

/** Name of the job of an INSERT. */
function markerOf(run: FlowRun, index: number): string {
  const name = textOf(run.input, 'job_name') ?? 'sql';
  return `${name} [${run.triggerId.slice(0, 8)}-${index + 1}]`;
}

/**
 * READ may be run as often as one likes; INSERT starts a job that is to run once; ONCE has an effect that adds up or that a second run would
 * fail for; all others, such as CREATE and DROP, are CHANGE.
 */
export function kindOf(statement: string): 'READ' | 'INSERT' | 'ONCE' | 'CHANGE' {
  const bare = bareOf(statement);
  if (JOBS.test(bare)) return 'INSERT';
  if (/^(?:CALL|STOP\s+JOB|ALTER)\b/i.test(bare)) return 'ONCE';
  return /^(?:SELECT|WITH|VALUES|TABLE|SHOW|DESC|DESCRIBE|EXPLAIN|SET|RESET|USE|\()(?:\b|(?<=\())/i.test(bare)
    ? 'READ'
    : 'CHANGE';
}

const JOBS = new RegExp(
  [
    'INSERT\\s',
    'UPDATE\\s',
    'DELETE\\s',
    'EXECUTE\\s+(?:STATEMENT\\s+SET|INSERT|PLAN)\\b',
    'COMPILE\\s+AND\\s+EXECUTE\\s+PLAN\\b',
    '(?:CREATE\\s+(?:OR\\s+REPLACE\\s+)?|REPLACE\\s+)TABLE\\s[\\s\\S]*\\sAS\\s*\\(?\\s*(?:SELECT|WITH|VALUES|TABLE)\\b',
  ]
    .map((one) => `^${one}`)
    .join('|'),
  'i',
);

/** Without what stands before it: comments. */
function bareOf(statement: string): string {
  return statement.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/, '');
}

/** What belongs to the session and is lost with it. */
function isSetting(statement: string): boolean {
  return (
    /^(?:SET|RESET|USE|LOAD|UNLOAD|ADD\s+JAR|REMOVE\s+JAR|(?:CREATE(?:\s+OR\s+REPLACE)?|DROP)\s+(?:TEMPORARY|CATALOG|TABLE|VIEW|FUNCTION|DATABASE|MODEL))\b/i.test(
      bareOf(statement),
    ) && kindOf(statement) !== 'INSERT'
  );
}

/** Whether a repeated statement failed because what it does has been done. */
function isDoneAlready(statement: string, error: FlinkApiError): boolean {
  const text = error.errors.join('\n');
  const bare = bareOf(statement);
  if (/^(?:CREATE|LOAD)\b/i.test(bare)) return /AlreadyExist|already exists?\b/i.test(text);
  return /^(?:DROP|UNLOAD|REMOVE)\b/i.test(bare) && /NotExist|(?:does|do) not exist|No module with name/i.test(text);
}

function isJustOk(rows: readonly Json[]): boolean {
  const [row] = rows;
  return rows.length === 1 && isJsonObject(row ?? null) && (row as JsonObject).result === 'OK';
}

type Fetched = AnswerOf<'sql.fetchResults'>;

/** A row by column; changes of a changelog that are no INSERT carry their kind. */
function rowOf(row: NonNullable<Fetched['results']>['data'][number], answer: Fetched): JsonObject {
  const names = (answer.results?.columns ?? []).map(({ name }) => name);
  const values = Object.fromEntries(names.map((name, index) => [name, (row.fields[index] ?? null) as Json]));
  return row.kind === 'INSERT' ? values : { ...values, $kind: row.kind };
}

/** Where jobs are looked for: `url`, or the connection when it leads to a JobManager. */
function jobManagerOf(run: FlowRun, servers: FlinkServers): FlinkClient | null {
  const target = jobManagerTarget(run.input, servers);
  return typeof target === 'string' ? null : servers.client(target);
}

function jobManagerTarget(input: JsonObject, servers: FlinkServers): FlinkTarget | string {
  const { url, cluster } = input;
  return servers.target((url ?? null) === null ? { cluster: cluster ?? null } : { url: url ?? null });
}

function wrongInput(input: JsonObject, servers: FlinkServers): string | null {
  const hasScript = typeof input.script === 'string';
  const hasList = Array.isArray(input.statements);
  if (hasScript === hasList) return 'Give statements, a list, or script, a text: one of them.';
  if (statementsOf(input).filter((one) => one !== '').length === 0) return 'There is no statement.';
  const waits = ['running', 'finished'].includes(String(input.wait_for ?? ''));
  const target = waits ? jobManagerTarget(input, servers) : null;
  return typeof target === 'string' ? `wait_for: ${String(input.wait_for)} needs the JobManager. ${target}` : null;
}

const HEARTBEAT_MS = 180_000;
const MOST_SESSIONS = 5;
/** Of one INSERT without an answer. */
const MOST_TRIES = 5;
const LOOK_FOR_MS = 60_000;
/** Tells a call of ours from one of a process that is gone. */
const THIS_PROCESS = randomUUID();
