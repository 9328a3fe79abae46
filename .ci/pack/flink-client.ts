// The client of Flink as a program of others imports it from the package: compiled in phase `pack` of .ci/run, and run against `tramontane fake flink`.
import {
  CallError,
  FlinkApiError,
  FlinkClient,
  RemoteError,
  UnsupportedError,
  parseVersion,
  type AnswerOf,
  type AsyncResult,
  type FlinkErrorCode,
  type JobDetails,
  type OptionsOf,
} from 'tramontane/flink';

const url = process.argv[2] ?? '';
const jar = process.argv[3] ?? '';
const flink = new FlinkClient({ url, timeoutMs: 10_000 });

const body: OptionsOf<'jars.run'> = { programArgsList: ['--day', '2026-11-22'], parallelism: 2 };
// @ts-expect-error a key that Flink does not know is found before it is sent
const misspelt: OptionsOf<'jars.run'> = { 'entry-class': 'a.B' };

const jarId: string = await flink.jars.upload(jar);
const jobId: string = await flink.jars.run(jarId, body);
const details: JobDetails = await flink.jobs.get(jobId);
const vertices: readonly { readonly id: string; readonly parallelism: number }[] = details.vertices;
// @ts-expect-error an answer is no heap of anything
const nothing: string = details.noSuchField;
const overview: AnswerOf<'cluster.overview'> = await flink.cluster.overview();
const trigger: string = await flink.jobs.createSavepoint(jobId, { targetDirectory: 'file:///savepoints' });
const savepoint: AsyncResult<string> = await flink.jobs.getSavepoint(jobId, trigger);
const code: FlinkErrorCode | null = await flink.jobs.get('0'.repeat(32)).then(
  () => null,
  (error: unknown) => (error instanceof FlinkApiError ? (error.code as FlinkErrorCode) : null),
);
const errorOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => null,
    (error: unknown) => error,
  );
const wrongId = await errorOf(flink.jobs.get('no-id'));
const noAnswer = await errorOf(new FlinkClient({ url: 'http://127.0.0.1:1' }).jobs.all());

const facts = {
  version: (await flink.version()).atLeast('2.0') && parseVersion(overview['flink-version']).major === 2,
  vertices: vertices.length === 2,
  savepoint: savepoint.status === 'COMPLETED' && savepoint.value.startsWith('file:///savepoints/'),
  code: code === 'FLINK_JOB_NOT_FOUND',
  errors:
    wrongId instanceof CallError &&
    noAnswer instanceof RemoteError &&
    new UnsupportedError('a', 'b', 'c') instanceof Error,
};
void misspelt;
void nothing;
console.log(JSON.stringify(facts));
if (Object.values(facts).includes(false)) process.exit(1);
