import test from 'ava';
import { EXECUTION } from '../../api/resources.ts';
import { RowTexts } from '../../api/row-texts.ts';
import { SharedAnswers } from '../../api/shared-answers.ts';
import { EXECUTION_LIST } from '../../api/v2/shapes.ts';
import { insertMany } from '../../engine/store/bulk.ts';
import { EXECUTIONS } from '../../engine/store/collections.ts';
import { GatheredReads } from '../../engine/store/gathered-reads.ts';
import type { ListRow } from '../../engine/store/lists.ts';
import { rowById } from '../../engine/store/rows-by-id.ts';
import { memoryStore } from '../helpers/store.ts';

test('reads of the same moment are done together, and begin after the last has asked', async (t) => {
  const asked: (readonly string[])[] = [];
  const reads = new GatheredReads<string>(async (keys) => {
    asked.push(keys);
    return new Map(keys.filter((key) => key !== 'missing').map((key) => [key, `${key} ${asked.length}`]));
  });
  const first = Promise.all(['a', 'b', 'a', 'missing'].map((key) => reads.read(key)));
  t.deepEqual(asked, []);
  t.deepEqual(await first, ['a 1', 'b 1', 'a 1', undefined]);
  t.deepEqual(asked, [['a', 'b', 'missing']]);
  // Nothing is kept.
  t.is(await reads.read('a'), 'a 2');
});

test('while two reads are under way the others wait for the next one', async (t) => {
  const open: (() => void)[] = [];
  const sizes: number[] = [];
  const reads = new GatheredReads<number>(async (keys) => {
    sizes.push(keys.length);
    await new Promise<void>((resolve) => open.push(resolve));
    return new Map(keys.map((key) => [key, 1]));
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const all: Promise<number | undefined>[] = [];
  for (const key of ['a', 'b', 'c', 'd', 'e']) {
    all.push(reads.read(key));
    await turn();
  }
  t.deepEqual(sizes, [1, 1]);
  while (sizes.length < 3) {
    open.shift()?.();
    await turn();
  }
  t.deepEqual(sizes, [1, 1, 3]);
  for (const go of open) go();
  t.deepEqual(await Promise.all(all), [1, 1, 1, 1, 1]);
});

test('a read that fails fails for those who shared it, and for nobody after them', async (t) => {
  let works = false;
  const reads = new GatheredReads<string>(async (keys) => {
    if (!works) throw new Error('no database');
    return new Map(keys.map((key) => [key, key]));
  });
  const results = await Promise.allSettled([reads.read('a'), reads.read('b')]);
  t.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  works = true;
  t.is(await reads.read('a'), 'a');
});

test('a row by its id has the columns and values that the driver reads', async (t) => {
  const store = await memoryStore(t);
  const text = 'é "quoted" \\ \n\t 💥 \u2028';
  const row = {
    id: 'x"y',
    name: 'n',
    namespace: '',
    definition: text,
    tags: '[]',
    scope: 'private',
    project_id: 'p',
    created_at: 1_795_357_817_587,
    updated_at: null,
  };
  await store.writer('workbooks').insert(row);
  t.deepEqual(await rowById(store.reader, 'workbooks', row.id), await store.reader('workbooks').first());
  t.is(await rowById(store.reader, 'workbooks', 'another'), undefined);
});

test('answers that are asked for at the same moment are one; who asks while it is worked out gets the next', async (t) => {
  const answers = new SharedAnswers<number>();
  let works = 0;
  const gates: (() => void)[] = [];
  const begun: (() => void)[] = [];
  const ask = (key = 'a') =>
    answers.get(key, async () => {
      const number = ++works;
      await new Promise<void>((resolve) => {
        gates.push(resolve);
        begun.shift()?.();
      });
      if (number === 3) throw new Error('third');
      return number;
    });
  const untilBegun = () => new Promise<void>((resolve) => begun.push(resolve));

  let started = untilBegun();
  const first = [ask(), ask()];
  await started;
  const second = [ask(), ask()];
  started = untilBegun();
  gates.shift()?.();
  t.deepEqual(await Promise.all(first), [1, 1]);
  await started;
  // The third begins when the second has ended; it fails for those who asked for it and for nobody else.
  const third = [ask(), ask()];
  started = untilBegun();
  gates.shift()?.();
  t.deepEqual(await Promise.all(second), [2, 2]);
  await started;
  const fourth = ask();
  started = untilBegun();
  gates.shift()?.();
  for (const failed of third) await t.throwsAsync(failed, { message: 'third' });
  await started;
  started = untilBegun();
  const other = ask('b');
  await started;
  t.is(works, 5, 'another key does not wait');
  for (const open of gates) open();
  t.is(await fourth, 4);
  t.is(await other, 5);
});

test('texts of rows are kept as long as the rows have not changed, and no more of them than fit', async (t) => {
  const store = await memoryStore(t);
  const ids = Array.from({ length: 250 }, (_, i) => `id-${i}`);
  await insertMany(store.writer, 'executions', ids.map(executionRow));
  let reads = 0;
  store.reader.on('query', () => (reads += 1));
  const fields = EXECUTION.fields.filter(({ name }) => ['id', 'state', 'input'].includes(name));
  const texts = new RowTexts(store);
  const stamps = async (some = ids) =>
    (await store
      .reader('executions')
      .whereIn('id', some)
      .orderBy('created_at')
      .select('id', ...STAMP)) as ListRow[];
  const readsOf = async (rows: readonly ListRow[], chosen = fields) => {
    const before = reads;
    const shown = (await texts.read(EXECUTION_LIST, chosen, rows)).map((text) => JSON.parse(text) as { id: string });
    return { ids: shown.map(({ id }) => id), shown, reads: reads - before };
  };

  const all = await stamps(ids.slice(0, 10));
  t.like(await readsOf(all), { ids: ids.slice(0, 10), reads: 1 });
  t.like(await readsOf(all.toReversed()), { ids: ids.slice(0, 10).toReversed(), reads: 0 });
  t.like(await readsOf(all, fields.slice(0, 1)), { reads: 1, shown: ids.slice(0, 10).map((id) => ({ id })) });

  // Changed after the stamps were read: what is shown is the newer one, also when the old stamps are read again.
  await store.writer('executions').where('id', 'id-3').update({ state: 'ERROR', version: 2 });
  t.is((await readsOf(await stamps(['id-3']))).reads, 1);
  t.like((await readsOf(all)).shown[3], { id: 'id-3', state: 'ERROR' });
  // Another row of the same id and version.
  await store.writer('executions').where('id', 'id-4').delete();
  t.like(await readsOf(all), { ids: ids.slice(0, 10), reads: 1 }, 'what was kept is not looked for');
  await insertMany(store.writer, 'executions', [{ ...executionRow('id-4', 4), created_at: 99, state: 'PAUSED' }]);
  t.like((await readsOf(await stamps(['id-4']))).shown[0], { state: 'PAUSED' });
  // Gone between the two reads.
  await store.writer('executions').where('id', 'id-5').delete();
  t.deepEqual((await readsOf([{ ...(all[5] as ListRow), version: 7 }, all[6] as ListRow])).ids, ['id-6']);

  // About eighty are in each of its halves. What is asked for all the time stays.
  const small = new RowTexts(store, 50_000);
  const before = reads;
  const rows = await stamps(ids);
  for (const row of rows) await small.read(EXECUTION_LIST, fields, [rows[0] as ListRow, row]);
  t.true(reads - before <= rows.length + 1);
  const again = reads;
  await small.read(EXECUTION_LIST, fields, [rows[0] as ListRow]);
  t.is(reads, again);
  await small.read(EXECUTION_LIST, fields, [rows[1] as ListRow]);
  t.is(reads, again + 1);
});

const STAMP = EXECUTIONS.stamp ?? [];

function executionRow(id: string, createdAt: number) {
  return {
    id,
    version: 1,
    workflow_name: 'w',
    workflow_namespace: '',
    spec_hash: '',
    project_id: 'a',
    description: '',
    tags: '[]',
    state: 'SUCCESS',
    input: '{}',
    output: '{}',
    params: '{}',
    context: '{}',
    runtime_context: '{}',
    accepted: false,
    created_at: createdAt,
    updated_at: 1,
  };
}
