import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../../dsl/json.ts';
import type { FindOutcome } from '../../jobs/backend.ts';
import { deleteWithLog, logAt } from './batches.ts';
import { givenOf, objectOf, parametersOf, textOf } from './client.ts';
import { endpointOf, SYSTEMS } from './endpoints.ts';
import { SparkApiError } from './errors.ts';
import { withNotes } from './run-plan.ts';
import type { Look, RunCall, SubmitCall, SystemRuns } from './runs.ts';

/**
 * `spark.session.open`: starts a session and is done when it is idle. Livy refuses a name twice, Lighter takes our own id: either way a
 * session is never opened twice (spec/spark.md §8.5). The result is the handle that `.execute` and `.close` take.
 */
export function sessionRuns(system: 'livy' | 'lighter'): SystemRuns {
  return {
    system,
    backend: `spark-${system}-session`,
    refusesDuplicates: true,
    pollMs: { first: 1000, longest: 5000 },
    wrongInput: (input) =>
      system === 'lighter' && !['pyspark', ''].includes(textOf(input.kind) ?? '')
        ? `kind ${textOf(input.kind) ?? ''}: Lighter's sessions speak only pyspark.`
        : null,
    nameOf: (input, key) =>
      system === 'livy' ? `${textOf(input.name) ?? 'tramontane'}-${key.slice(0, 12)}` : textOf(input.name),
    submit: (call) => submit(call, system),
    judge: async (error) => {
      const isTaken =
        error instanceof SparkApiError && (error.status === 409 || /Duplicate session name/i.test(error.reason));
      return isTaken ? { kind: 'unclear', reason: 'The session is there already.' } : null;
    },
    find: (call) => find(call, system),
    look: (call) => look(call, system),
    log: (call) => logAt(`${system}.sessions.log`, call),
    cancel: (call) => deleteWithLog(`${system}.sessions.delete`, call, logAt(`${system}.sessions.log`, call)),
  };
}

async function submit({ client, input, job, plan }: SubmitCall, system: 'livy' | 'lighter') {
  const endpoint = endpointOf(SYSTEMS[system], `${system}.sessions.create`);
  const names = parametersOf(endpoint).map(({ name }) => name);
  const own = givenOf(input, names);
  const answer = objectOf(
    system === 'livy'
      ? await client.call('livy.sessions.create', { ...own, name: plan.name })
      : await client.call('lighter.sessions.put', { ...own, name: plan.name, id: uuidOf(job.key) }),
  );
  return { externalId: idOf(answer.id ?? null), data: withNotes(plan, { kind: input.kind ?? null }) };
}

async function find(
  { client, input, job, plan, signal }: SubmitCall,
  system: 'livy' | 'lighter',
): Promise<FindOutcome> {
  try {
    const id = system === 'livy' ? (plan.name ?? '') : uuidOf(job.key);
    const row = objectOf(await client.call(`${system}.sessions.get`, { id }, signal));
    return {
      kind: 'found',
      update: { externalId: idOf(row.id ?? null), data: withNotes(plan, { kind: input.kind ?? null }) },
    };
  } catch (error) {
    // A second call under the name or id is refused if the first one arrives late.
    if (error instanceof SparkApiError && error.status === 404) return { kind: 'absent' };
    throw error;
  }
}

async function look({ client, job, plan, signal }: RunCall, system: 'livy' | 'lighter'): Promise<Look> {
  const row = objectOf(await client.call(`${system}.sessions.get`, { id: job.externalId }, signal));
  const word = (textOf(row.state) ?? 'unknown').toLowerCase();
  if (system === 'livy' && textOf(row.name) !== null && row.name !== plan.name)
    return { kind: 'unknown', reason: `Livy's session ${job.externalId ?? ''} is somebody else's now.` };
  const facts = { word, appId: textOf(row.appId), uiUrl: textOf(objectOf(row.appInfo).sparkUiUrl) };
  switch (word) {
    case 'idle':
    case 'busy':
      return { kind: 'success', ...facts, result: handleOf(job.externalId ?? '', plan, system) };
    case 'dead':
    case 'error':
    case 'killed':
    case 'success':
      return { kind: 'failed', ...facts, code: 'SPARK_SESSION_DEAD', reason: `The session ended as ${word}` };
    default:
      return { kind: 'live', pending: true, ...facts };
  }
}

/** What the other session actions need to find the session again. */
function handleOf(id: string, plan: RunCall['plan'], system: string): JsonObject {
  return {
    via: system,
    id,
    kind: plan.notes.kind ?? null,
    connection: plan.connection,
    url: plan.connection === null ? plan.url : null,
  };
}

function idOf(id: Json): string {
  if (typeof id === 'number' || (typeof id === 'string' && id !== '')) return String(id);
  throw new Error('The answer names no session.');
}

/** Lighter wants a UUID. */
function uuidOf(key: string): string {
  const hex = createHash('sha256').update(`lighter/session/${key}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
