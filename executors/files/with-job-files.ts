import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import type { Action, JobAction } from '../action.ts';
import { refused as flinkRefused } from '../flink/outcome.ts';
import { refused as sparkRefused } from '../spark/outcome.ts';
import type { JobBackend, JobRequest } from '../jobs/backend.ts';
import { JobFileError, toFileReference, type FileReference, type JobFiles } from './job-files.ts';

/**
 * Actions whose files may be uploaded ones (`sha256:…/name`): before a job is staged and submitted, such an input is replaced by the path of a
 * copy on this host, or, where the job's server fetches the file itself, by a link. The record keeps what the workflow says.
 */
export function withJobFiles(actions: readonly Action[], files: JobFiles): readonly Action[] {
  const backends = new Map<JobBackend, JobBackend>();
  const supplied = (backend: JobBackend): JobBackend => {
    let found = backends.get(backend);
    if (found === undefined) backends.set(backend, (found = suppliedBackend(backend, files)));
    return found;
  };
  return actions.map((action) => {
    if (!FILE_INPUTS.some((name) => Object.hasOwn(action.parameters.properties, name))) return action;
    if (action.kind === 'job') return suppliedJob(action, supplied);
    if (action.kind !== 'sync') return action;
    return {
      ...action,
      async run(input, context) {
        const way = isLocal(action.name) ? 'copy' : 'link';
        const found = await replaced(input, context.run.projectId, way, files, context.signal).catch(
          refusal(action.name),
        );
        return 'kind' in found ? found : action.run(found.input, context);
      },
    };
  });
}

/** The inputs that name files, of all actions that run something. */
const FILE_INPUTS = [
  'application',
  'file',
  'jar',
  'jars',
  'py_files',
  'files',
  'archives',
  'properties_file',
  'keytab',
] as const;

function suppliedJob(action: JobAction, supplied: (backend: JobBackend) => JobBackend): JobAction {
  const { choose, others } = action;
  return {
    ...action,
    backend: supplied(action.backend),
    ...(others !== undefined && { others: others.map(supplied) }),
    ...(choose !== undefined && { choose: (input: JsonObject) => supplied(choose(input)) }),
  };
}

function suppliedBackend(backend: JobBackend, files: JobFiles): JobBackend {
  const way = isLocal(backend.name) ? 'copy' : 'link';
  const supply = ({ input, run }: JobRequest, signal: AbortSignal) =>
    replaced(input, run.projectId, way, files, signal).catch(refusal(backend.name));
  return {
    ...backend,
    async stage(job, request, context) {
      const found = await supply(request, context.signal);
      if ('kind' in found) return { kind: 'refused', result: found };
      return (await backend.stage?.(job, { ...request, input: found.input }, context)) ?? { kind: 'ready' };
    },
    async submit(job, request, context) {
      // Deleted since it was staged: nothing is started.
      const found = await supply(request, context.signal);
      return 'kind' in found
        ? { kind: 'refused', result: found }
        : backend.submit(job, { ...request, input: found.input }, context);
    },
    // What is looked for is known by its name alone, and the file may be gone.
    find: (job, request, context, lookingMs) =>
      backend.find(
        job,
        { ...request, input: way === 'copy' ? toPaths(request.input, files) : request.input },
        context,
        lookingMs,
      ),
  };
}

/** Spark on this host, and jars that this host uploads. */
function isLocal(name: string): boolean {
  return (
    name === 'spark-process' || name === 'spark-session-process' || name.startsWith('flink') || name.endsWith('.upload')
  );
}

type Supplied = { readonly input: JsonObject } | ActionResult;

async function replaced(
  input: JsonObject,
  projectId: string,
  way: 'copy' | 'link',
  files: JobFiles,
  signal: AbortSignal,
): Promise<Supplied> {
  const places = new Map<string, string>();
  for (const [text, reference] of referencesIn(input)) {
    if (way === 'copy') await files.copy(projectId, reference, signal);
    places.set(text, way === 'copy' ? files.pathOf(reference) : await files.linkTo(projectId, reference));
  }
  return { input: mapped(input, (text) => places.get(text) ?? text) };
}

function toPaths(input: JsonObject, files: JobFiles): JsonObject {
  return mapped(input, (text) => {
    const reference = toFileReference(text);
    return reference === null ? text : files.pathOf(reference);
  });
}

/** @throws JobFileError for what begins like a reference and is none. */
function referencesIn(input: JsonObject): ReadonlyMap<string, FileReference> {
  const found = new Map<string, FileReference>();
  mapped(input, (text) => {
    const reference = toFileReference(text);
    if (reference !== null) found.set(text, reference);
    else if (/^sha256:/i.test(text))
      throw new JobFileError(
        `'${text}' names no file: write sha256:<64 hex digits>/<name>, as GET /v2/files shows it under uri.`,
      );
    return text;
  });
  return found;
}

/** The input with every text under the names of files replaced. */
function mapped(input: JsonObject, place: (text: string) => string): JsonObject {
  const changed: Record<string, Json> = {};
  for (const name of FILE_INPUTS) {
    const value = input[name];
    if (typeof value === 'string') changed[name] = place(value);
    else if (Array.isArray(value)) changed[name] = value.map((one) => (typeof one === 'string' ? place(one) : one));
  }
  // What flink.upgrade goes back to.
  if (isJsonObject(input.rollback)) changed.rollback = mapped(input.rollback, place);
  return { ...input, ...changed };
}

function refusal(name: string): (error: unknown) => ActionResult {
  return (error) => {
    if (!(error instanceof JobFileError)) throw error;
    return name.startsWith('flink')
      ? flinkRefused('FLINK_BAD_REQUEST', error.message)
      : sparkRefused('SPARK_BAD_INPUT', error.message);
  };
}
