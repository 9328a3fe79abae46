import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { silentLogger } from '../../engine/log.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import { JobWatcher, type JobWatcherOptions } from '../../executors/job-watcher.ts';
import type { FaultPoint } from '../../executors/jobs/desk.ts';
import { TestClock } from '../helpers/clock.ts';
import { memoryStore } from '../helpers/store.ts';
import { Remote, Reports, runAction } from './helpers/remote.ts';

interface World {
  readonly db: Knex;
  readonly clock: TestClock;
  readonly remote: Remote;
  readonly reports: Reports;
  /** A node with leases of its own. */
  node(id: string, options?: Partial<JobWatcherOptions>): JobWatcher;
  /** Lets the time pass in steps, and everything happen that is due. */
  pass(watcher: JobWatcher, seconds: number): Promise<void>;
}

async function world(t: ExecutionContext): Promise<World> {
  const store = await memoryStore(t);
  const clock = new TestClock();
  const remote = new Remote();
  const reports = new Reports();
  const nodes: JobWatcher[] = [];
  t.teardown(async () => {
    for (const node of nodes) node.abandon();
    await turns();
  });
  return {
    db: store.writer,
    clock,
    remote,
    reports,
    node(id, options = {}) {
      const watcher = new JobWatcher({
        db: store.writer,
        nodeId: id,
        engine: reports,
        backends: [remote.backend()],
        clock,
        log: silentLogger,
        random: () => 0.5,
        ...options,
      });
      nodes.push(watcher);
      return watcher;
    },
    async pass(watcher, seconds) {
      for (let i = 0; i < seconds * 4; i++) {
        clock.advance(250);
        await watcher.idle();
      }
    },
  };
}

const backendOf = (w: World) => w.remote.backend();

test('a job is recorded, submitted once, polled to its end, reported and closed', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await watcher.idle();
  t.like(await loadExternalJob(w.db, 'a1'), { phase: 'submitted', leaseOwner: 'n1', result: null });
  await w.pass(watcher, 5);
  t.is(w.reports.taken.length, 0);
  w.remote.finishAll();
  await w.pass(watcher, 15);
  t.deepEqual(
    w.reports.taken.map(({ actionExecutionId, attempt, result }) => [actionExecutionId, attempt, result.kind]),
    [['a1', 1, 'success']],
  );
  t.like(await loadExternalJob(w.db, 'a1'), { phase: 'done', lastState: 'finished' });
  t.is(w.remote.calls.submit, 1);
  t.is(watcher.size, 0);
});

test('progress is kept in the row, read at most every ten seconds, and polls without news write nothing', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 9);
  const row = await loadExternalJob(w.db, 'a1');
  t.deepEqual(row?.progress, { looked: 1 });
  await w.pass(watcher, 12);
  t.true(w.remote.calls.progress <= 3 && w.remote.calls.progress >= 2, `${w.remote.calls.progress}`);
  t.true(w.remote.calls.state > w.remote.calls.progress);
});

test('input that the backend refuses is reported and leaves no row', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.submit(runAction('remote.run', 'a1', { bad: 'no such thing' }), backendOf(w));
  t.like(w.reports.taken[0], { actionExecutionId: 'a1', result: { kind: 'error', output: 'no such thing' } });
  t.is(await loadExternalJob(w.db, 'a1'), undefined);
});

test('a repeated message changes nothing', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  for (let i = 0; i < 3; i++) await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  const other = w.node('n2');
  await other.start();
  await other.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 3);
  await other.idle();
  t.is(w.remote.calls.submit, 1);
  t.is(other.size, 0);
});

// A node dies at a named place; another one finds the row and finishes the job. The remote system must have been asked to start it once.
const POINTS: readonly FaultPoint[] = [
  'recorded',
  'staged',
  'submitting',
  'answered',
  'submitted',
  'polled',
  'cancelling',
  'ended',
  'reported',
];

for (const point of POINTS) {
  test(`a node that dies at '${point}' leaves a job that another node finishes, submitted once`, async (t) => {
    const w = await world(t);
    const hasCancel = point === 'cancelling';
    let deaths = 0;
    const first: JobWatcher = w.node('n1', {
      fault: (at) => {
        if (at !== point) return undefined;
        deaths++;
        first.abandon();
        return new Promise<void>(() => {});
      },
    });
    await first.start();
    void first.submit(runAction('remote.run', 'a1'), backendOf(w));
    await until(async () => deaths === 1 || (await loadExternalJob(w.db, 'a1'))?.phase === 'submitted');
    if (hasCancel) await first.stop('a1', 'cancelled');
    else w.remote.finishAll();
    await until(async () => {
      w.clock.advance(100);
      return deaths === 1;
    });
    t.is(deaths, 1);
    const jobsBefore = w.remote.jobs.size;
    const second = w.node('n2');
    await second.start();
    await w.pass(second, 90);
    w.remote.finishAll();
    await w.pass(second, 90);
    t.is(w.remote.jobs.size, 1);
    t.is(w.remote.mostSubmits, 1, `submits: ${w.remote.mostSubmits}, jobs before the second node: ${jobsBefore}`);
    t.like(await loadExternalJob(w.db, 'a1'), { phase: 'done' });
    const kinds = new Set(w.reports.taken.map(({ result }) => result.kind));
    t.deepEqual([...kinds], [hasCancel ? 'cancelled' : 'success']);
  });
}

/** Turns of the event loop, for a node that may be dead: it never becomes idle. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets the event loop turn until it is so; a test that waits in vain fails by its time limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await turns();
}

test('a lost answer is cleared up by looking, without a second submit', async (t) => {
  const w = await world(t);
  w.remote.submits.push('lose-answer');
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 5);
  t.like(await loadExternalJob(w.db, 'a1'), { phase: 'submitted' });
  t.is(w.remote.calls.submit, 1);
  t.true(w.remote.calls.find >= 1);
});

test('a submit that surely never arrived is sent again only after looking has proven it', async (t) => {
  const w = await world(t);
  w.remote.submits.push('throw-before');
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 8);
  t.is(w.remote.calls.submit, 1);
  t.like(await loadExternalJob(w.db, 'a1'), { phase: 'submitting' });
  await w.pass(watcher, 20);
  t.is(w.remote.calls.submit, 2);
  t.is(w.remote.mostSubmits, 1);
});

test('a submit that cannot be made yet is tried for two minutes and then reported', async (t) => {
  const w = await world(t);
  w.remote.submits.push(...Array<'later'>(100).fill('later'));
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 60);
  t.is(w.reports.taken.length, 0);
  t.true(w.remote.calls.submit > 3);
  await w.pass(watcher, 120);
  t.like(w.reports.taken[0], { result: { kind: 'error', output: 'later' } });
});

test('a result is sent again until the engine takes it, also by the next node', async (t) => {
  const w = await world(t);
  const first = w.node('n1');
  await first.start();
  await first.submit(runAction('remote.run', 'a1'), backendOf(w));
  await first.idle();
  w.remote.finishAll();
  w.reports.failures = 3;
  await w.pass(first, 4);
  first.abandon();
  t.is(w.reports.taken.length, 0);
  t.like(await loadExternalJob(w.db, 'a1'), { phase: 'submitted', result: { kind: 'success' } });
  const states = w.remote.calls.state;
  w.reports.failures = 1;
  const second = w.node('n2');
  await second.start();
  await w.pass(second, 90);
  t.is(w.reports.taken.length, 1);
  t.is(w.remote.calls.state, states, 'the job is not asked again once its result is known');
});

test('cancel ends the job outside and reports it as cancelled', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await watcher.idle();
  t.true(await watcher.stop('a1', 'cancelled'));
  await w.pass(watcher, 3);
  t.like(w.reports.taken[0], { result: { kind: 'cancelled', output: 'cancelled there' } });
  t.false(await watcher.stop('a1', 'cancelled'));
  t.is(w.remote.calls.cancel, 1);
});

test('cancel during the submit waits for it, then ends the job by its id', async (t) => {
  const w = await world(t);
  let open = () => {};
  w.remote.gate = new Promise((resolve) => {
    open = resolve;
  });
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await until(async () => w.remote.calls.submit === 1);
  await watcher.stop('a1', 'cancelled');
  await turns();
  t.is(w.remote.calls.cancel, 0);
  open();
  await w.pass(watcher, 3);
  t.is(w.remote.calls.cancel, 1);
  t.like(w.reports.taken[0], { result: { kind: 'cancelled' } });
});

test('cancel before the submit starts nothing', async (t) => {
  const w = await world(t);
  w.remote.submits.push('later');
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await watcher.idle();
  await watcher.stop('a1', 'cancelled');
  await w.pass(watcher, 5);
  t.is(w.remote.jobs.size, 0);
  t.like(w.reports.taken[0], { result: { kind: 'cancelled', output: 'gave up, goes on: false' } });
});

test('with policy leave a cancel that comes in during a poll leaves the job alone too', async (t) => {
  const w = await world(t);
  w.remote.plan = { onCancel: 'leave' };
  let stopping: Promise<unknown> | null = null;
  const watcher = w.node('n1', {
    fault: async (point) => {
      if (point === 'polled') await (stopping ??= watcher.stop('a1', 'cancelled'));
    },
  });
  await watcher.submit(runAction('remote.run', 'a1', {}), backendOf(w));
  await w.pass(watcher, 10);
  t.is(w.remote.calls.cancel, 0);
  t.is(w.reports.taken[0]?.result.kind, 'cancelled');
});

test('with policy leave a cancelled job goes on outside', async (t) => {
  const w = await world(t);
  w.remote.plan = { onCancel: 'leave' };
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await watcher.idle();
  await watcher.stop('a1', 'cancelled');
  await w.pass(watcher, 1);
  t.is(w.remote.calls.cancel, 0);
  t.like(w.reports.taken[0], { result: { kind: 'cancelled', output: 'gave up, goes on: true' } });
});

test("a cancel that another node has noted reaches the job's owner", async (t) => {
  const w = await world(t);
  const owner = w.node('n1');
  await owner.start();
  await owner.submit(runAction('remote.run', 'a1'), backendOf(w));
  await owner.idle();
  const other = w.node('n2');
  t.true(await other.stop('a1', 'cancelled'));
  await w.pass(owner, 6);
  t.like(w.reports.taken[0], { result: { kind: 'cancelled' } });
});

test("the action's own time limit counts from the submit and ends the job", async (t) => {
  const w = await world(t);
  w.remote.plan = { timeoutSeconds: 60 };
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 59);
  t.is(w.reports.taken.length, 0);
  await w.pass(watcher, 3);
  t.like(w.reports.taken[0], { result: { kind: 'error', output: 'Timeout after 60 seconds' } });
  t.like(await loadExternalJob(w.db, 'a1'), { cancelReason: 'timeout' });
});

test("the engine's time limit counts from the message", async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1', {}, { timeoutSeconds: 5 }), backendOf(w));
  await w.pass(watcher, 8);
  t.like(w.reports.taken[0], { result: { kind: 'error', output: 'Timeout after 5 seconds' } });
});

test('a job that is unknown for longer than its grace is lost; a shorter gap is a fail-over', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  await watcher.submit(runAction('remote.run', 'a1'), backendOf(w));
  await w.pass(watcher, 5);
  w.remote.forgetful = true;
  await w.pass(watcher, 20);
  w.remote.forgetful = false;
  await w.pass(watcher, 15);
  w.remote.forgetful = true;
  await w.pass(watcher, 25);
  t.is(w.reports.taken.length, 0);
  await w.pass(watcher, 30);
  t.like(w.reports.taken[0], { result: { kind: 'error', output: 'lost' } });
  t.is(w.remote.calls.submit, 1);
});

test('a silent server is asked by single probes, and its jobs are given up after ten minutes of silence', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1');
  await watcher.start();
  for (let i = 0; i < 200; i++) await watcher.submit(runAction('remote.run', `a${i}`), backendOf(w));
  await w.pass(watcher, 10);
  w.remote.reachable = false;
  const before = w.remote.calls.state;
  await w.pass(watcher, 300);
  const probes = w.remote.calls.state - before;
  t.true(probes < 60, `${probes} calls in five minutes for 200 jobs`);
  w.remote.reachable = true;
  await w.pass(watcher, 40);
  t.is(w.reports.taken.length, 0);
  t.is(watcher.size, 200);
  w.remote.reachable = false;
  await w.pass(watcher, 590);
  t.is(w.reports.taken.length, 0);
  await w.pass(watcher, 60);
  t.is(w.reports.taken.length, 200);
  t.like(w.reports.taken[0], { result: { kind: 'error', output: 'unreachable' } });
});

test('one silent server does not keep the jobs of another one waiting', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1', { limits: { steps: 4 } });
  await watcher.start();
  for (let i = 0; i < 50; i++)
    await watcher.submit(runAction('remote.run', `s${i}`, { server: 'silent' }), backendOf(w));
  await watcher.submit(runAction('remote.run', 'a1', { server: 'good' }), backendOf(w));
  await w.pass(watcher, 5);
  w.remote.silent.add('silent');
  await w.pass(watcher, 20);
  w.remote.finishAll();
  await w.pass(watcher, 12);
  t.deepEqual(
    w.reports.taken.map(({ actionExecutionId }) => actionExecutionId),
    ['a1'],
  );
});

test('jobs beyond the slots of their server wait and follow', async (t) => {
  const w = await world(t);
  w.remote.plan = { slots: 2 };
  const watcher = w.node('n1');
  await watcher.start();
  for (let i = 0; i < 5; i++) await watcher.submit(runAction('remote.run', `a${i}`), backendOf(w));
  await w.pass(watcher, 3);
  t.is(w.remote.calls.submit, 2);
  for (let round = 0; round < 3; round++) {
    w.remote.finishAll();
    await w.pass(watcher, 8);
  }
  t.is(w.remote.calls.submit, 5);
  t.is(w.reports.taken.length, 5);
});

test('a lapsed lease is taken over, and the old owner notices that it has lost it', async (t) => {
  const w = await world(t);
  const first = w.node('n1', { limits: { leaseMs: 60_000 } });
  // Not started: it never renews its leases, as a node that hangs.
  await first.submit(runAction('remote.run', 'a1'), backendOf(w));
  await first.idle();
  t.is(first.size, 1);
  w.clock.advance(61_000);
  const second = w.node('n2');
  await second.start();
  t.is(second.size, 1);
  await first.stop('a1', 'cancelled');
  for (let i = 0; i < 20; i++) {
    w.clock.advance(500);
    await first.idle();
    await second.idle();
  }
  t.is(first.size, 0);
  t.is(w.remote.calls.submit, 1);
  t.like(w.reports.taken[0], { result: { kind: 'cancelled' } });
});

test('a node that is alone takes its jobs over at once; others wait for the lease', async (t) => {
  const w = await world(t);
  const first = w.node('n1');
  await first.start();
  await first.submit(runAction('remote.run', 'a1'), backendOf(w));
  await first.idle();
  first.abandon();
  const stranger = w.node('n2');
  await stranger.start();
  t.is(stranger.size, 0);
  const alone = w.node('n3', { alone: true });
  await alone.start();
  t.is(alone.size, 1);
});

test('a record whose process died before it asked whether the action is still there starts nothing', async (t) => {
  const w = await world(t);
  const dead: JobWatcher = w.node('n1', {
    isOpen: () => {
      dead.abandon();
      return new Promise<boolean>(() => {});
    },
  });
  void dead.submit(runAction('remote.run', 'gone'), backendOf(w));
  void dead.submit(runAction('remote.run', 'open'), backendOf(w));
  await until(async () => (await loadExternalJob(w.db, 'open')) !== undefined);
  w.clock.advance(120_000);
  const next = w.node('n2', { isOpen: async (id) => id === 'open' });
  await next.start();
  await w.pass(next, 1);
  t.is(w.remote.calls.submit, 1);
  t.is(await loadExternalJob(w.db, 'gone'), undefined);
  t.like(await loadExternalJob(w.db, 'open'), { phase: 'submitted' });
});

test('a planned shutdown gives the leases back', async (t) => {
  const w = await world(t);
  const first = w.node('n1');
  await first.start();
  await first.submit(runAction('remote.run', 'a1'), backendOf(w));
  await first.idle();
  await first.close();
  t.like(await loadExternalJob(w.db, 'a1'), { leaseOwner: null, phase: 'submitted' });
  const second = w.node('n2');
  await second.start();
  t.is(second.size, 1);
});

test('a record in submitting is taken over from a living owner only where duplicates are refused', async (t) => {
  const w = await world(t);
  w.remote.refusesDuplicates = false;
  const dead: JobWatcher = w.node('n1', {
    fault: (at) => {
      if (at !== 'submitting') return undefined;
      dead.abandon();
      return new Promise<void>(() => {});
    },
  });
  void dead.submit(runAction('remote.run', 'a1'), backendOf(w));
  await until(async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitting');
  w.clock.advance(120_000);
  const careful = w.node('n2');
  await careful.start();
  t.is(careful.size, 0);
  const asked: string[] = [];
  const informed = w.node('n3', {
    isOwnerDead: async (owner) => {
      asked.push(owner);
      return true;
    },
  });
  await informed.start();
  t.is(informed.size, 1);
  t.deepEqual(asked, ['n1']);
});

test("another host's job is left alone for five minutes after its lease", async (t) => {
  const w = await world(t);
  w.remote.plan = { isElsewhere: true };
  const owner = w.node('n1');
  await owner.submit(runAction('remote.run', 'a1'), backendOf(w));
  await owner.idle();
  owner.abandon();
  w.clock.advance(120_000);
  const other = w.node('n2');
  await other.start();
  t.is(other.size, 0);
  await w.pass(other, 300);
  t.is(other.size, 1);
});

test('ten thousand jobs are watched with bounded polling and few writes', async (t) => {
  const w = await world(t);
  const watcher = w.node('n1', { limits: { looksEveryMs: 600_000 } });
  await watcher.start();
  const jobs = 10_000;
  const now = w.clock.now();
  const rows = Array.from({ length: jobs }, (_, i) => ({
    action_execution_id: `a${i}`,
    backend: 'remote',
    phase: 'submitted',
    key: `k${i}`,
    last_state: 'running',
    data: JSON.stringify({
      watch: { server: `s${i % 10}`, poll_first_ms: 2000, poll_longest_ms: 10_000, not_found_grace_ms: 30_000 },
      own: {},
    }),
    request: '{}',
    submitted_at: now,
    next_poll_at: now,
    created_at: now,
    updated_at: now,
  }));
  for (let i = 0; i < jobs; i += 50) await w.db('external_jobs').insert(rows.slice(i, i + 50));
  for (let i = 0; i < jobs; i++) w.remote.jobs.set(`k${i}`, { state: 'running', submits: 1 });
  await w.pass(watcher, 20);
  t.is(watcher.size, jobs);
  const before = w.remote.calls.state;
  const started = process.cpuUsage();
  await w.pass(watcher, 20);
  const used = process.cpuUsage(started);
  const polls = (w.remote.calls.state - before) / jobs;
  t.true(polls > 0.5 && polls < 12, `${polls} polls a job in 20 s`);
  t.true(w.remote.mostPolling <= 64, `${w.remote.mostPolling} at once`);
  t.log(`${Math.round((used.user + used.system) / 1000 / 20)} ms of CPU a second for ${jobs} jobs`);
});
