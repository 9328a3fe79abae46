import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { startFakeFlink, type FakeFlink, type FakeFlinkSwitches } from '../../executors/fakes/flink.ts';
import { projectRoot } from '../helpers/project.ts';

/** What real clusters have refused, without the frames of their stack traces. */
interface Refusal {
  readonly version: string;
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly json?: JsonObject;
    readonly text?: string;
    readonly multipart?: readonly { readonly field: string; readonly filename?: string; readonly text?: string }[];
  };
  readonly status: number;
  readonly errors: readonly string[];
}

const fixtures = join(projectRoot, 'test/executors/fixtures/flink');
const refusals = readFileSync(join(fixtures, 'refusals.ndjson'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Refusal);

/** What was so on the recorded cluster, by the recording's name: switches, and what becomes of the job that the request names. */
interface Situation {
  readonly switches?: (one: Refusal) => Partial<FakeFlinkSwitches>;
  readonly job?: 'none' | string;
  readonly jar?: 'none';
}

const SITUATIONS: readonly (readonly [name: RegExp, situation: Situation])[] = [
  [/^unknown-job|^job-after-failure-in-main$|^restricted-|^application-cancel-finished$/, { job: 'none' }],
  [/^restricted-/, { switches: () => ({ submits: false }) }],
  [/^adaptive-/, { switches: () => ({ adaptive: true, maxParallelism: 16 }) }],
  [/^bare-/, { switches: () => ({ savepointDir: null }) }],
  [/-batch-/, { switches: () => ({ batch: true }) }],
  [/^cancel-finished$|-after-finish$/, { job: 'FINISHED' }],
  [/-after-cancel$/, { job: 'CANCELED' }],
  [/-same-id-after-(?:failure|bad-savepoint)$/, { job: 'FAILED' }],
  [/unknown-jar$|^jar-delete-again$/, { jar: 'none' }],
  [
    /-fails-in-main$|-two-jobs$|-system-exit$/,
    { job: 'none', switches: (one) => ({ failInMain: causeAfter(one, /The main method caused an error/) }) },
  ],
  [
    /-bad-savepoint$|-state-does-not-fit$/,
    { job: 'none', switches: (one) => ({ failInitialising: causesOf(one).at(-1) ?? null }) },
  ],
];

/** What depends on what is in a jar: the stand-in runs none. */
const OF_PROGRAMS = /^jar-run-(?:entry-class-unknown|no-main-class|no-job)$/;
/** Behind the first line stands what Flink's JSON library calls it. */
const OF_JACKSON = /^jar-run-(?:array|garbage|parallelism-text|bad-job-id)$|^sql-complete-statement$/;

for (const version of ['1.20.0', '1.20.5', '2.3.0']) {
  test(`the stand-in refuses what ${version} was recorded to refuse, in its words`, async (t) => {
    const own = refusals.filter((one) => one.version === version && !OF_PROGRAMS.test(one.name));
    t.true(own.length >= (version === '1.20.0' ? 7 : 65), `${own.length} refusals`);
    for (const one of own) {
      const fake = await arrange(one);
      try {
        const answer = await replay(one, fake);
        const wanted = { status: one.status, errors: one.errors.map((text) => linesOf(text, one)) };
        t.deepEqual(
          { status: answer.status, errors: answer.errors.map((text) => linesOf(text, one)) },
          wanted,
          one.name,
        );
      } finally {
        await fake.close();
      }
    }
  });
}

test('longs travel as integers that JavaScript would round', async (t) => {
  const fake = await startFakeFlink({ version: '2.3.0' });
  t.teardown(fake.close);
  const id = 'a'.repeat(32);
  fake.jars.set('a.jar', { name: 'a.jar', bytes: 1 });
  await exchange(fake, { method: 'POST', path: '/v1/jars/a.jar/run', body: JSON.stringify({ jobId: id }) });
  const { text } = await exchange(fake, { method: 'GET', path: `/v1/jobs/${id}/checkpoints/config` });
  t.regex(text, /"interval":9223372036854775807,/);
});

/** A stand-in on which everything is as it was when this was refused. */
async function arrange(one: Refusal): Promise<FakeFlink> {
  const found = SITUATIONS.filter(([name]) => name.test(one.name)).map(([, situation]) => situation);
  const fake = await startFakeFlink({ version: one.version });
  const jar = /\/jars\/([^/?]+)/.exec(one.request.path)?.[1] ?? 'any.jar';
  fake.jars.set(jar, { name: jar, bytes: 1 });
  const id =
    typeof one.request.json?.jobId === 'string' && one.request.json.jobId.length === 32
      ? one.request.json.jobId
      : /\/jobs\/([0-9a-f]{32})/.exec(one.request.path)?.[1];
  const state = found.find(({ job }) => job !== undefined)?.job ?? 'RUNNING';
  if (id !== undefined && state !== 'none') {
    await exchange(fake, { method: 'POST', path: `/v1/jars/${jar}/run`, body: JSON.stringify({ jobId: id }) });
    const job = fake.jobs.get(id);
    if (job === undefined) throw new Error(`${one.name}: the stand-in has not started the job`);
    job.state = state;
  }
  if (found.some((situation) => situation.jar === 'none')) fake.jars.clear();
  const [, session, operation] = /\/sessions\/([^/?]+)(?:\/operations\/([^/?]+))?/.exec(one.request.path) ?? [];
  if (session !== undefined && one.name !== 'sql-session-closed') {
    const operations = new Map(
      operation === undefined || one.name === 'sql-unknown-operation'
        ? []
        : [
            [
              operation,
              {
                statement: 'SELECT 1',
                status: 'FINISHED',
                polls: 0,
                jobId: null,
                failure: causeAfter(one, /Failed to execute the operation/),
              },
            ],
          ],
    );
    fake.sessions.set(session, { properties: {}, objects: new Set(), operations });
  }
  for (const situation of found) Object.assign(fake.switches, situation.switches?.(one));
  return fake;
}

async function replay(
  one: Refusal,
  fake: FakeFlink,
): Promise<{ readonly status: number; readonly errors: readonly string[] }> {
  const { method, path, json, text, multipart } = one.request;
  const boundary = 'x'.repeat(20);
  const parts = (multipart ?? []).map(
    ({ field, filename, text: value }) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${field}"${filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: application/x-java-archive`}\r\n\r\n${value ?? 'bytes'}\r\n`,
  );
  const body =
    multipart === undefined
      ? (text ?? (json === undefined ? '' : JSON.stringify(json)))
      : `${parts.join('')}--${boundary}--\r\n`;
  const type = multipart === undefined ? 'application/json' : `multipart/form-data; boundary=${boundary}`;
  const answer = await exchange(fake, { method, path: onFake(path), body: onFake(body), type });
  const parsed = JSON.parse(answer.text) as { readonly errors?: Json };
  return { status: answer.status, errors: Array.isArray(parsed.errors) ? parsed.errors.map(String) : [] };
}

/** The recorded job has other vertices. */
function onFake(text: string): string {
  return text
    .replaceAll('46114d370e18a7da1e4362472aa88fba', 'cbc357ccb763df2852fee8c4fc7d55f2')
    .replaceAll('b71731f1c0df9c3076c4a455334d0ad6', '20ba6b65f97481d5570070de90e4e791');
}

/** What an error says, without frames of stack traces, folders and names of jobs. */
function linesOf(text: string, { name }: Refusal): readonly string[] {
  const lines = onFake(text)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+(?:at |\.\.\. )/.test(line))
    .map((line) =>
      line
        .replace(/\S*\/flink-web-upload/g, '<upload>')
        .replace(/job '[^']*'/g, 'job <name>')
        .trim(),
    );
  return OF_JACKSON.test(name) ? lines.slice(0, 1) : lines;
}

function causesOf(one: Refusal): readonly string[] {
  return one.errors
    .join('\n')
    .replace(/\s*End of exception on server side>/, '')
    .split('\nCaused by: ')
    .map((cause) => cause.trim());
}

/** All causes behind the one that says so, as one text. */
function causeAfter(one: Refusal, what: RegExp): string | null {
  const causes = causesOf(one);
  const at = causes.findIndex((cause) => what.test(cause));
  return at < 0 ? null : causes.slice(at + 1).join('\nCaused by: ');
}

function exchange(
  fake: FakeFlink,
  of: { readonly method: string; readonly path: string; readonly body?: string; readonly type?: string },
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers =
      of.body === undefined || of.body === ''
        ? {}
        : { 'content-type': of.type ?? 'application/json', 'content-length': Buffer.byteLength(of.body) };
    const asked = httpRequest(`${fake.url}${of.path}`, { method: of.method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    asked.once('error', reject);
    asked.end(of.body);
  });
}
