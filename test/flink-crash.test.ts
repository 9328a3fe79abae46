import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startFakeFlink, type FakeFlink, type FakeJob } from '../executors/fakes/flink.ts';
import { CRASH_PHASES, surviveKills, type CrashPhase } from './helpers/flink-crash.ts';

// On real clusters: flink-crash.flink.test.ts, and in all phases flink-crash.flink-long.test.ts. A call that was not sent is looked for for a minute: in
// virtual time that is executors/flink-run-jar.test.ts, 'submitting'.
test('a server killed in each phase of a Flink job but the call that was not sent leaves one job each, and its result', async (t) => {
  t.timeout(300_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-fake-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const jar = join(folder, 'jobs.jar');
  await writeFile(jar, 'programs that the stand-in plays');
  const flink = await startFakeFlink({ version: '2.3.0' });
  t.teardown(flink.close);
  const { finishAll } = playPrograms(flink);
  const phases = (Object.keys(CRASH_PHASES) as CrashPhase[]).filter((phase) => phase !== 'unsent');
  await surviveKills(t, { url: flink.url, jar, afterKill: finishAll }, phases);
});

/** What the jobs of scripts/engines/flink/jobs do: a counter that ends, and one that does not. Those that take their time take it until told. */
function playPrograms(flink: FakeFlink): { finishAll(): void } {
  let isHurried = false;
  const slow: FakeJob[] = [];
  const add = flink.jobs.set.bind(flink.jobs);
  flink.jobs.set = (id, job) => {
    const { entryClass, programArgsList } = flink.runs.at(-1) ?? {};
    const words = programArgsList as readonly string[];
    const argument = (name: string) => words[words.indexOf(`--${name}`) + 1] ?? '';
    job.name = argument('name');
    job.accumulators = { numbers: argument('count') };
    if (entryClass === undefined)
      if (isHurried || argument('sleep-ms') === '0') job.state = 'FINISHED';
      else slow.push(job);
    return add(id, job);
  };
  return {
    finishAll() {
      isHurried = true;
      for (const job of slow) job.state = 'FINISHED';
    },
  };
}
