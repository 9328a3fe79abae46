import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import type { Knex } from 'knex';
import { startFakeLivy } from '../../executors/fakes/livy.ts';
import { livyRuns } from '../../executors/spark/systems/livy-runs.ts';
import { fromRemotePlan } from '../../executors/spark/systems/run-plan.ts';
import { TestClock } from '../helpers/clock.ts';
import { sparkWorld } from './helpers/servers.ts';

const JOBS = 2000;
const SECONDS = 15;
/** The watcher's own bound for one server. */
const POLLS_PER_SECOND = 200;

test('2,000 batches of one server are watched at once: bounded requests, bounded memory, ends seen within the poll interval', async (t) => {
  t.timeout(300_000);
  const livy = await startFakeLivy();
  t.teardown(() => livy.close());
  const w = await sparkWorld(t);
  const clock = new TestClock();
  const now = clock.now();
  const rows = Array.from({ length: JOBS }, (_, id) => {
    const name = `job-${id}`;
    livy.batches.set(id, { id, name, request: {}, state: 'running', appId: `application_1_${id}`, log: ['line'] });
    const plan = {
      connection: null,
      url: livy.url,
      masterUi: null,
      historyUrl: null,
      name,
      hasMarker: true,
      logLines: 200,
      killGraceMs: 20_000,
      waitForEnd: true,
      notes: {},
      keptLog: null,
    };
    return {
      action_execution_id: `a${id}`,
      backend: livyRuns.backend,
      phase: 'submitted',
      key: `k${id}`,
      external_id: String(id),
      last_state: 'running',
      data: JSON.stringify({
        watch: {
          server: `livy ${livy.url}`,
          poll_first_ms: livyRuns.pollMs.first,
          poll_longest_ms: livyRuns.pollMs.longest,
          not_found_grace_ms: 30_000,
        },
        own: fromRemotePlan(plan),
      }),
      request: '{}',
      submitted_at: now - 60_000,
      next_poll_at: now,
      created_at: now,
      updated_at: now,
    };
  });
  for (let i = 0; i < JOBS; i += 50) await w.db('external_jobs').insert(rows.slice(i, i + 50));
  rows.length = 0;

  const before = memory();
  const watcher = await w.node('n1', { clock, random: () => 0.5 });
  const second = async (): Promise<{ readonly polls: number; readonly all: number }> => {
    const from = livy.requests.length;
    for (let step = 0; step < 4; step++) {
      clock.advance(250);
      await watcher.idle();
    }
    const made = livy.requests.slice(from);
    return { polls: made.filter((line) => /^GET \/batches\/\d+$/.test(line)).length, all: made.length };
  };
  let most = { polls: 0, all: 0 };
  for (let i = 0; i < SECONDS; i++) {
    const made = await second();
    most = { polls: Math.max(most.polls, made.polls), all: Math.max(most.all, made.all) };
  }
  t.is(watcher.size, JOBS);
  livy.requests.length = 0;
  const more = (memory() - before) / 1024 / 1024;
  t.log(`at most ${most.polls} polls and ${most.all} requests a second, ${more.toFixed(1)} MB more`);
  t.true(most.polls <= POLLS_PER_SECOND * 1.1, `${most.polls} polls in a second`);
  t.true(most.all <= POLLS_PER_SECOND * 2.5, `${most.all} requests in a second`);
  t.true(more < 100, `${more} MB more`);

  // Some of them end. Each is asked about once in its interval, so nobody hears of it later than that.
  const ended = Array.from({ length: 20 }, (_, i) => i * 97);
  for (const id of ended) {
    const batch = livy.batches.get(id);
    if (batch !== undefined) batch.state = 'success';
  }
  // A fifth of the age, up to that; crowded: the jobs over the polls a second. The longer of the two, and a step of this test.
  const interval = Math.max(livyRuns.pollMs.longest / 1000, JOBS / POLLS_PER_SECOND);
  let waited = 0;
  while ((await open(w.db, ended)) > 0 && waited <= interval + 1) {
    await second();
    waited++;
  }
  t.log(`the ends were seen within ${waited} s; the interval is ${interval} s`);
  t.is(await open(w.db, ended), 0, `not seen after ${waited} s`);
  t.is(watcher.size, JOBS - ended.length);
});

async function open(db: Knex, ids: readonly number[]): Promise<number> {
  const rows = await db('external_jobs')
    .whereIn(
      'action_execution_id',
      ids.map((id) => `a${id}`),
    )
    .whereNot('phase', 'done')
    .select('phase');
  return rows.length;
}

/** Bytes of living objects, in and outside of the heap. */
function memory(): number {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
