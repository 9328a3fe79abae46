import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { Float } from '../../dsl/yaql/numbers.ts';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import { SQLITE_DRIVERS } from '../../engine/store/drivers/index.ts';
import { migrate } from '../../engine/store/migrate.ts';
import {
  claimExternalJobSubmit,
  deleteExternalJobs,
  insertExternalJob,
  listAdoptableExternalJobs,
  loadExternalJob,
  loadExternalJobCancels,
  loadExternalJobRequest,
  releaseExternalJobLeases,
  renewExternalJobLeases,
  requestExternalJobCancel,
  takeExternalJobLeases,
  updateExternalJobs,
} from '../../engine/store/external-jobs.ts';

for (const driver of SQLITE_DRIVERS) {
  const open = async (t: ExecutionContext): Promise<Knex> => {
    const store = await openStore({ url: 'sqlite::memory:', driver }, silentLogger);
    t.teardown(() => store.close());
    await migrate(store);
    return store.writer;
  };
  const insert = (db: Knex, actionExecutionId: string, leaseOwner = 'n1') =>
    insertExternalJob(db, {
      actionExecutionId,
      backend: 'remote',
      key: 'k',
      url: null,
      data: { own: {} },
      request: { input: { n: new Float(2), big: 2n ** 70n } },
      leaseOwner,
      leaseUntil: 1000,
      now: 10,
    });
  const adopter = (owner: string, now: number, anyOwner = false) => ({ owner, now, anyOwner });

  test(`${driver}: a job has one row, and its numbers come back as they went`, async (t) => {
    const db = await open(t);
    t.true(await insert(db, 'a'));
    t.false(await insert(db, 'a', 'n2'));
    t.like(await loadExternalJob(db, 'a'), {
      phase: 'prepared',
      leaseOwner: 'n1',
      createdAt: 10,
      progress: null,
      logTail: [],
    });
    t.deepEqual(await loadExternalJobRequest(db, 'a'), { input: { n: new Float(2), big: 2n ** 70n } });
    const result = { kind: 'error', output: { n: new Float(1) }, retryable: true } as const;
    await updateExternalJobs(
      db,
      'n1',
      [{ actionExecutionId: 'a', patch: { result, logTail: ['x'], progress: { n: 1 } } }],
      20,
    );
    t.like(await loadExternalJob(db, 'a'), { logTail: ['x'], updatedAt: 20 });
    t.deepEqual((await loadExternalJob(db, 'a'))?.result, result);
    await deleteExternalJobs(db, ['a']);
    t.is(await loadExternalJob(db, 'a'), undefined);
    t.is(await loadExternalJobRequest(db, 'a'), undefined);
  });

  test(`${driver}: the right to submit is given once, to the owner, and not after a cancel`, async (t) => {
    const db = await open(t);
    await insert(db, 'a');
    await insert(db, 'b');
    t.false(await claimExternalJobSubmit(db, 'a', 'n2', 20));
    t.true(await claimExternalJobSubmit(db, 'a', 'n1', 20));
    t.false(await claimExternalJobSubmit(db, 'a', 'n1', 21));
    t.like(await loadExternalJob(db, 'a'), { phase: 'submitting', submitStartedAt: 20 });
    t.true(await requestExternalJobCancel(db, 'b', 'cancelled', 30));
    t.true(await requestExternalJobCancel(db, 'b', 'timeout', 31));
    t.false(await claimExternalJobSubmit(db, 'b', 'n1', 40));
    t.deepEqual(await loadExternalJobCancels(db, 'n1'), [{ actionExecutionId: 'b', at: 30, reason: 'cancelled' }]);
    t.false(await requestExternalJobCancel(db, 'none', 'cancelled', 30));
    await updateExternalJobs(db, 'n1', [{ actionExecutionId: 'b', patch: { phase: 'done' } }], 50);
    t.false(await requestExternalJobCancel(db, 'b', 'cancelled', 60));
  });

  test(`${driver}: an owner that lost its lease writes nothing and is told so`, async (t) => {
    const db = await open(t);
    await insert(db, 'a');
    await insert(db, 'b');
    t.deepEqual(await listAdoptableExternalJobs(db, adopter('n2', 1000), 10), []);
    const free = await listAdoptableExternalJobs(db, adopter('n2', 1001), 10);
    t.deepEqual(
      free.map((row) => row.actionExecutionId),
      ['a', 'b'],
    );
    t.like(await takeExternalJobLeases(db, ['a'], adopter('n2', 1001), 2000), {
      length: 1,
      0: { actionExecutionId: 'a', leaseOwner: 'n2', leaseUntil: 2000 },
    });
    t.deepEqual(await takeExternalJobLeases(db, ['a'], adopter('n3', 1001), 2000), []);
    const patches = ['a', 'b'].map((actionExecutionId) => ({ actionExecutionId, patch: { lastState: 'x' } }));
    t.deepEqual(await updateExternalJobs(db, 'n1', patches, 20), ['a']);
    t.is((await loadExternalJob(db, 'a'))?.lastState, null);
    t.is((await takeExternalJobLeases(db, ['a', 'b'], adopter('n4', 0, true), 3000)).length, 2);
  });

  test(`${driver}: leases are renewed and given back together, and finished jobs are left alone`, async (t) => {
    const db = await open(t);
    for (const id of ['a', 'b', 'c']) await insert(db, id);
    await updateExternalJobs(db, 'n1', [{ actionExecutionId: 'c', patch: { phase: 'done' } }], 20);
    await renewExternalJobLeases(db, 'n1', 5000);
    t.is((await loadExternalJob(db, 'a'))?.leaseUntil, 5000);
    t.is((await loadExternalJob(db, 'c'))?.leaseUntil, 1000);
    await releaseExternalJobLeases(db, 'n1');
    t.deepEqual(
      (await listAdoptableExternalJobs(db, adopter('n2', 0), 10)).map((row) => row.actionExecutionId),
      ['a', 'b'],
    );
  });
}
