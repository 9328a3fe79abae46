import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { silentLogger } from '../../engine/log.ts';
import { deleteJobFile } from '../../engine/store/job-files.ts';
import type { Action, JobAction } from '../../executors/action.ts';
import { JobFiles, toFileReference } from '../../executors/files/job-files.ts';
import { withJobFiles } from '../../executors/files/with-job-files.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import type { Job, JobBackend, JobContext } from '../../executors/jobs/backend.ts';
import { memoryStore } from '../helpers/store.ts';
import { runAction } from './helpers/remote.ts';
import { uploadFile } from './helpers/upload.ts';

/** Uploaded files as inputs of actions: what backends get, and what is refused. */

const SHELL = 'echo hello\n';

async function world(t: ExecutionContext, url: string | null = null) {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-job-files-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const store = await memoryStore(t);
  const files = new JobFiles({ reader: store.reader, writer: store.writer, folder: join(folder, 'files'), url });
  const upload = (name: string, content: string, projectId = 'p') => uploadFile(store, name, content, projectId);
  /** What a backend called so is given. */
  const given = (name: string) => {
    const calls: { readonly step: string; readonly input: JsonObject }[] = [];
    const note =
      (step: string) =>
      async (_job: Job, { input }: { readonly input: JsonObject }) => {
        calls.push({ step, input });
        return { kind: step === 'stage' ? 'ready' : step === 'submit' ? 'submitted' : 'absent' } as never;
      };
    const backend = {
      name,
      refusesDuplicates: true,
      prepare: () => never(),
      stage: note('stage'),
      submit: note('submit'),
      find: note('find'),
      state: () => never(),
      cancel: () => never(),
      giveUp: () => never(),
    } satisfies JobBackend;
    const [action] = withJobFiles([jobAction(backend)], files);
    if (action?.kind !== 'job') throw new Error('no job');
    return { calls, supplied: action.backend };
  };
  return { folder, store, files, upload, given };
}

function never(): never {
  throw new Error('this is not asked for');
}

function jobAction(backend: JobBackend): JobAction {
  return {
    name: 'spark.submit',
    description: '',
    kind: 'job',
    repeatSafe: true,
    parameters: { type: 'object', properties: { application: {} }, required: [], additionalProperties: true },
    result: { description: '' },
    examples: [],
    backend,
  };
}

// oxlint-disable-next-line typescript/consistent-type-assertions -- the wrapper only passes it on
const JOB = { id: 'a1' } as Job;
const CONTEXT: JobContext = {
  signal: new AbortController().signal,
  log: silentLogger,
  nowMs: 0,
  wake: () => {},
  takenIds: async () => new Set(),
  isKeyBeingSubmitted: async () => false,
};

function request(input: JsonObject, projectId = 'p') {
  const { context } = runAction('spark.submit', 'a1', input);
  return { input, run: { ...context, projectId } };
}

test('a backend on this host gets paths of copies that are made once, under their own names', async (t) => {
  const w = await world(t);
  const [app, lib] = [await w.upload('job.sh', SHELL), await w.upload('lib.zip', 'zip')];
  const { calls, supplied } = w.given('spark-process');
  const input = {
    application: app,
    py_files: [lib, '/srv/other.py'],
    archives: [`${lib}#env`],
    args: [app],
    name: app,
  };
  t.is((await supplied.stage?.(JOB, request(input), CONTEXT))?.kind, 'ready');
  await supplied.submit(JOB, request(input), CONTEXT);
  await supplied.find(JOB, request(input), CONTEXT, 0);
  const path = String(calls[0]?.input.application);
  t.is(await readFile(path, 'utf8'), SHELL);
  t.regex(path, /\/[0-9a-f]{64}\/job\.sh$/);
  t.deepEqual(
    calls.map(({ step, input: got }) => [step, got.application]),
    [
      ['stage', path],
      ['submit', path],
      ['find', path],
    ],
    'each step gets the same',
  );
  const got = calls[0]?.input ?? {};
  t.regex(String(Array.isArray(got.py_files) && got.py_files[0]), /lib\.zip$/);
  t.is(Array.isArray(got.py_files) && got.py_files[1], '/srv/other.py');
  t.regex(String(Array.isArray(got.archives) && got.archives[0]), /lib\.zip#env$/);
  t.deepEqual([got.args, got.name], [[app], app], 'only inputs that name files are replaced');
  t.is((await readdir(join(w.folder, 'files'))).length, 2, 'one folder for each content, and nothing half made');
});

test('a server elsewhere gets links, which need the address of this API', async (t) => {
  const w = await world(t, 'http://here:8989/');
  const jar = await w.upload('score.jar', 'jar');
  const { calls, supplied } = w.given('livy');
  await supplied.stage?.(JOB, request({ file: jar, jars: [jar] }), CONTEXT);
  const { link_key: key } = await w.store.reader('job_files').first('link_key');
  t.deepEqual(calls[0]?.input, {
    file: `http://here:8989/file_links/${key}/score.jar`,
    jars: [`http://here:8989/file_links/${key}/score.jar`],
  });
  const closed = await world(t);
  const refused = await closed
    .given('livy')
    .supplied.stage?.(JOB, request({ file: await closed.upload('a.jar', 'x') }), CONTEXT);
  t.is(refused?.kind, 'refused');
  t.regex(JSON.stringify(refused), /files\.url/);
});

test('files of other projects, unknown and deleted ones and wrong references are refused before anything is started', async (t) => {
  const w = await world(t);
  const app = await w.upload('job.sh', SHELL);
  const { calls, supplied } = w.given('spark-process');
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [app, 'other', /has no file sha256:/],
    [`sha256:${'0'.repeat(64)}/x.py`, 'p', /tramontane file upload/],
    [`sha256:${'0'.repeat(64)}`, 'p', /names no file/],
    ['sha256:../x', 'p', /names no file/],
    [`sha256:${'0'.repeat(64)}/../x`, 'p', /names no file/],
  ];
  for (const [application, project, text] of cases) {
    const outcome = await supplied.stage?.(JOB, request({ application }, project), CONTEXT);
    t.is(outcome?.kind, 'refused', application);
    t.regex(JSON.stringify(outcome), text);
    t.regex(JSON.stringify(outcome), /SPARK_BAD_INPUT/);
  }
  await supplied.stage?.(JOB, request({ application: app }), CONTEXT);
  await deleteJobFile(w.store.writer, { projectId: 'p' }, app);
  t.is((await supplied.submit(JOB, request({ application: app }), CONTEXT)).kind, 'refused', 'deleted since');
  t.deepEqual(
    calls.map(({ step }) => step),
    ['stage'],
  );
});

test('a copy that is damaged or cut short on the disk is made anew; a failure leaves no half copy', async (t) => {
  const w = await world(t);
  const reference = toFileReference(await w.upload('job.sh', SHELL));
  if (reference === null) throw new Error('no reference');
  const path = w.files.pathOf(reference);
  await Promise.all([1, 2, 3].map(() => w.files.copy('p', reference, CONTEXT.signal)));
  await writeFile(path, 'ec');
  await w.files.copy('p', reference, CONTEXT.signal);
  t.is(await readFile(path, 'utf8'), SHELL);
  await rm(path);
  await w.store.writer('job_file_chunks').update({ body: Buffer.from('echo jello\n') });
  await t.throwsAsync(w.files.copy('p', reference, CONTEXT.signal), { message: /damaged/ });
  t.deepEqual(await readdir(join(w.folder, 'files')), [reference.sha256]);
  t.deepEqual(await readdir(join(w.folder, 'files', reference.sha256)), []);
});

test('actions that a worker runs get uploaded files too', async (t) => {
  const w = await world(t);
  const jar = await w.upload('job.jar', 'jar');
  const seen: unknown[] = [];
  const upload: Action = {
    name: 'flink.jars.upload',
    description: '',
    kind: 'sync',
    repeatSafe: true,
    parameters: { type: 'object', properties: { jar: {} }, required: [], additionalProperties: false },
    result: { description: '' },
    examples: [],
    run: async (input) => {
      seen.push(input.jar);
      return { kind: 'success', output: null };
    },
  };
  const [action] = withJobFiles([upload], w.files);
  if (action?.kind !== 'sync') throw new Error('no such action');
  const context = { ...CONTEXT, http: createHttpClient(null), run: request({}).run };
  t.is((await action.run({ jar }, context)).kind, 'success');
  t.regex(String(seen[0]), /job\.jar$/);
  const refused = await action.run({ jar: 'sha256:x' }, context);
  t.true(isJsonObject(refused.output) && refused.output.code === 'FLINK_BAD_REQUEST');
  await context.http.close();
});
