import { randomUUID } from 'node:crypto';
import {
  duplicate,
  failedApplication,
  failedExecute,
  failedMain,
  ok,
  problem,
  refusal,
  serverProblem,
  stackOf,
} from './answers.ts';
import type { FormFile } from './form.ts';
import { atLeast, createJob, newId, type Answer, type Exchange, type FakeState } from './state.ts';

const FOLDER = '/tmp/flink-web-upload';

export function listJars({ fake }: Exchange): Answer {
  const files = [...fake.jars]
    .reverse()
    .map(([id, { name }]) => ({ id, name, uploaded: 1_795_242_141_428, entry: [] }));
  return ok({ address: 'http://127.0.0.1:8081', files });
}

export function upload(fake: FakeState, form: readonly FormFile[] | null): Answer {
  if (form === null) return refusal(400, 'Exactly 1 file must be sent, received 0.');
  // A plain field is refused, but the one of that name.
  if (form.some(({ name, field }) => name === null && field !== 'request'))
    return problem(400, `Received unknown attribute ${form.find(({ name }) => name === null)?.field}.`);
  const files = form.flatMap(({ name }) => (name === null ? [] : [name]));
  if (files.length !== 1) return refusal(400, `Exactly 1 file must be sent, received ${files.length}.`);
  const name = (files[0] ?? '').split(/[/\\]/).at(-1) ?? '';
  if (!name.endsWith('.jar')) return refusal(400, 'Only Jar files are allowed.');
  const id = `${randomUUID()}_${name}`;
  fake.jars.set(id, { name, bytes: form.find((part) => part.name !== null)?.bytes ?? 0 });
  return ok({ filename: `${FOLDER}/${id}`, status: 'success' });
}

export function deleteJar({ fake, ids }: Exchange): Answer {
  const [id = ''] = ids;
  return fake.jars.delete(id) ? ok({}) : refusal(400, `File ${id} does not exist in ${FOLDER}.`);
}

export function planOf({ fake, ids }: Exchange, recorded: unknown): Answer {
  const missing = missingJar(fake, ids[0] ?? '');
  if (missing !== null) return missing;
  if (fake.switches.failInMain === null) return ok(recorded);
  return serverProblem(stackOf([failedMain(fake.switches.failInMain), fake.switches.failInMain]));
}

export function run(exchange: Exchange): Answer {
  const { fake, ids, body } = exchange;
  const input = JSON.parse(body.length === 0 ? '{}' : body.toString('utf8')) as Record<string, unknown>;
  const missing = missingJar(fake, ids[0] ?? '');
  if (missing !== null) return missing;
  if (!atLeast(fake, '2.0') && typeof input.programArgs === 'string' && Array.isArray(input.programArgsList))
    return refusal(
      400,
      'Confusing request: programArgs and programArgsList are specified, please, use only programArgsList',
    );
  if (fake.switches.loseCalls > 0) {
    fake.switches.loseCalls--;
    return 'cut';
  }
  fake.runs.push(input);
  const id = typeof input.jobId === 'string' ? input.jobId.toLowerCase() : newId();
  if (fake.switches.failInMain !== null && fake.switches.failRuns-- > 0)
    return failedApplication([failedMain(fake.switches.failInMain), fake.switches.failInMain]);
  if (typeof input.parallelism === 'number' && input.parallelism < 1)
    return failedApplication([failedMain(NO_PARALLELISM), NO_PARALLELISM]);
  const known = fake.jobs.get(id);
  if (known !== undefined) return duplicate(fake, known.name);
  const job = createJob(id, fake, { ...(typeof input.parallelism === 'number' && { parallelism: input.parallelism }) });
  if (fake.switches.failInitialising !== null) {
    job.state = 'FAILED';
    job.failure = [
      'org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.',
      fake.switches.failInitialising,
    ];
    const { failInitialising: cause } = fake.switches;
    const [failed = ''] = job.failure;
    // A checked exception travels in one that is not.
    const isChecked = cause.startsWith('java.io.');
    return failedExecute(job.name, [
      `java.lang.RuntimeException: ${failed}`,
      failed,
      `java.util.concurrent.CompletionException: ${isChecked ? 'java.lang.RuntimeException: ' : ''}${cause}`,
      ...(isChecked ? [`java.lang.RuntimeException: ${cause}`] : []),
      cause,
    ]);
  }
  if (fake.switches.loseAnswers > 0) {
    fake.switches.loseAnswers--;
    return 'cut';
  }
  return ok(atLeast(fake, '2.3') ? { jobid: id, applicationId: id } : { jobid: id });
}

export function runApplication({ fake, ids }: Exchange): Answer {
  const missing = missingJar(fake, ids[0] ?? '');
  if (missing !== null) return missing;
  const job = createJob(newId(), fake);
  return ok({ applicationid: job.id }, 202);
}

function missingJar(fake: FakeState, id: string): Answer | null {
  if (fake.jars.has(id)) return null;
  const missing = `org.apache.flink.runtime.rest.handler.RestHandlerException: Jar file ${FOLDER}/${id} does not exist`;
  return serverProblem(stackOf([`java.util.concurrent.CompletionException: ${missing}`, missing]));
}

const NO_PARALLELISM =
  'java.lang.IllegalArgumentException: Parallelism must be at least one, or ExecutionConfig.PARALLELISM_DEFAULT (use system default).';
