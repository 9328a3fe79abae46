import { stringifyJson, type Json, type JsonObject } from '../../../dsl/json.ts';
import { toNumber, toText } from '../../inputs.ts';
import type { CancelOutcome, FindOutcome } from '../../jobs/backend.ts';
import { objectOf, objectsOf, textOf } from './client.ts';
import { SparkApiError } from './errors.ts';
import { fromRemotePlan, withNotes } from './run-plan.ts';
import type { Look, LookFacts, RunCall, SubmitCall, SystemRuns } from './runs.ts';

/**
 * `livy.execute` and `lighter.execute`: a statement of a session (spec/spark.md §3, §4). Neither API takes a key, so the first line of
 * the code is a comment with ours, and the session's statements are searched for it before a second POST (§8.5).
 */
export function statementRuns(system: 'livy' | 'lighter'): SystemRuns {
  const call = (name: string) => `${system}.${name}`;
  return {
    system,
    backend: `spark-${system}-code`,
    refusesDuplicates: false,
    pollMs: { first: 1000, longest: 5000 },
    wrongInput: (input) => {
      if ((input.session_id ?? null) === null || input.session_id === '') return 'session_id must name the session.';
      return typeof input.code === 'string' && input.code !== '' ? null : 'code must be the text to run.';
    },
    nameOf: (input) => textOf(input.name),
    submit: async ({ client, input, job, plan }) => {
      const answer = objectOf(
        await client.call(call('statements.create'), {
          session_id: input.session_id ?? null,
          code: keyed(toText(input.code ?? ''), textOf(input.kind), job.key),
          ...(system === 'livy' && { kind: input.kind ?? null }),
        }),
      );
      return { externalId: idOf(answer), data: noted(plan, input) };
    },
    judge: async (error) => {
      const isStarting =
        error instanceof SparkApiError && /is in state (?:starting|not_started|recovering)/.test(error.text);
      return isStarting
        ? {
            kind: 'later',
            reason: error.message,
            giveUp: { kind: 'error', retryable: true, output: sessionDead(error.message) },
          }
        : null;
    },
    find: (submit, lookingMs) => find(submit, lookingMs, call('statements.list'), system),
    look: (run) => look(run, system),
    log: async () => [],
    cancel: (run) => cancel(run, system),
  };
}

/** SQL has comments of its own. */
function keyed(code: string, kind: string | null, key: string): string {
  const sign = kind === 'sql' ? '--' : kind === 'spark' ? '//' : '#';
  return `${sign} key ${key.slice(0, 12)}\n${code}`;
}

function noted(plan: RunCall['plan'], input: JsonObject): JsonObject {
  return withNotes(plan, {
    session_id: input.session_id ?? null,
    close_on_cancel: input.close_on_cancel === true,
  });
}

const LOOK_FOR_MS = 5000;
const PAGE = 100;
const MOST = 100 * PAGE;

async function find(
  { client, job, input, plan, signal }: SubmitCall,
  lookingMs: number,
  list: string,
  system: 'livy' | 'lighter',
): Promise<FindOutcome> {
  const mark = `key ${job.key.slice(0, 12)}`;
  for (let from = 0; from < MOST; from += PAGE) {
    const page: JsonObject = { session_id: input.session_id ?? null, from, size: PAGE };
    // Lighter's newest come first anyway.
    const answer = objectOf(await client.call(list, system === 'livy' ? { ...page, order: 'desc' } : page, signal));
    const rows = objectsOf(answer.statements);
    const ours = rows.find((one) => (textOf(one.code) ?? '').split('\n')[0]?.includes(mark));
    if (ours !== undefined) return { kind: 'found', update: { externalId: idOf(ours), data: noted(plan, input) } };
    if (rows.length < PAGE) break;
  }
  return lookingMs < LOOK_FOR_MS
    ? { kind: 'looking', reason: 'The session does not show the statement yet.' }
    : { kind: 'absent' };
}

async function look({ client, job, plan, signal }: RunCall, system: 'livy' | 'lighter'): Promise<Look> {
  const session = plan.notes.session_id ?? null;
  let row: JsonObject;
  try {
    row = objectOf(await client.call(`${system}.statements.get`, { session_id: session, id: job.externalId }, signal));
  } catch (error) {
    const isOver = error instanceof SparkApiError && (error.status === 404 || /isn't active/.test(error.text));
    if (!isOver) throw error;
    return { kind: 'failed', word: 'gone', code: 'SPARK_SESSION_DEAD', reason: `The session is over: ${error.reason}` };
  }
  const word = textOf(row.state) ?? 'unknown';
  const facts = { word, startedAtMs: timeOf(row.started), finishedAtMs: timeOf(row.completed) };
  if (word === 'waiting' || word === 'running' || word === 'cancelling')
    return (
      (await deadSession(client, system, session, signal, facts)) ?? {
        kind: 'live',
        pending: word === 'waiting',
        ...facts,
      }
    );
  if (word === 'cancelled' || word === 'canceled') return { kind: 'killed', ...facts };
  const output = objectOf(row.output);
  return output.status === 'error' || word === 'error'
    ? failed(output, facts)
    : { kind: 'success', ...facts, result: valueOf(output) };
}

/** A session may end with its statements still waiting; then nobody will ever run them. */
async function deadSession(
  client: RunCall['client'],
  system: 'livy' | 'lighter',
  session: Json,
  signal: AbortSignal,
  facts: LookFacts,
): Promise<Look | null> {
  const row = objectOf(await client.call(`${system}.sessions.get`, { id: session }, signal).catch(() => null));
  const state = textOf(row.state);
  if (state === null || !/^(?:dead|killed|error|success)$/.test(state)) return null;
  return { kind: 'failed', ...facts, code: 'SPARK_SESSION_DEAD', reason: `The session has ended as ${state}` };
}

function failed(output: JsonObject, facts: LookFacts): Look {
  const traceback = Array.isArray(output.traceback)
    ? output.traceback.map((one) => toText(one)).join('')
    : textOf(output.traceback);
  const [ename, evalue] = [textOf(output.ename), textOf(output.evalue)];
  const reason = [ename, evalue].filter((one) => one !== null).join(': ') || 'The statement failed';
  return { kind: 'failed', ...facts, code: 'SPARK_STATEMENT_FAILED', reason, extra: { ename, evalue, traceback } };
}

/** The value: JSON as it is, a table as {schema, data}, a picture as {<its type>: base64}, else the text; null when nothing was printed. */
export function valueOf(output: JsonObject): Json {
  const data = objectOf(output.data);
  const picture = Object.keys(data).find((type) => type.startsWith('image/'));
  if (picture !== undefined) return { [picture]: data[picture] ?? null };
  return data['application/json'] ?? data['application/vnd.livy.table.v1+json'] ?? data['text/plain'] ?? null;
}

async function cancel(run: RunCall, system: 'livy' | 'lighter'): Promise<CancelOutcome> {
  const { client, job, plan, signal, nowMs } = run;
  const session = plan.notes.session_id ?? null;
  if (plan.notes.cancel_sent !== true) {
    await client.call(`${system}.statements.cancel`, { session_id: session, id: job.externalId }, signal);
    return { update: { data: withNotes(plan, { cancel_sent: true }) } };
  }
  const isLate = nowMs - (job.cancel?.atMs ?? nowMs) >= plan.killGraceMs;
  if (!isLate) return {};
  if (plan.notes.close_on_cancel === true) await client.call(`${system}.sessions.delete`, { id: session }, signal);
  // Code that runs cannot be interrupted by either server: the statement is let go of.
  return { update: { data: fromRemotePlan({ ...plan, keptLog: [] }) }, againMs: 0 };
}

function idOf(row: JsonObject): string {
  const { id } = row;
  if (typeof id === 'number' || (typeof id === 'string' && id !== '')) return String(id);
  throw new Error(`The answer names no statement: ${stringifyJson(row).slice(0, 200)}`);
}

function timeOf(value: Json | undefined): number | null {
  const time = toNumber(value ?? null);
  return time === null || time === 0 ? null : time;
}

function sessionDead(message: string): JsonObject {
  return { code: 'SPARK_SESSION_DEAD', message, retryable: true };
}
