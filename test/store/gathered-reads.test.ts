import test from 'ava';
import { GatheredReads } from '../../engine/store/gathered-reads.ts';
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
