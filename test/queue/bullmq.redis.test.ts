import test from 'ava';
import type { ExecutorMessage, RunAction } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import { newId } from '../../engine/ids.ts';
import { BullmqQueue, DEFAULT_BULLMQ } from '../../engine/queue/bullmq.ts';
import type { BullmqOptions } from '../../engine/queue/bullmq.ts';
import { checkRedis, connectRedis } from '../../engine/queue/redis.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import { queueContract, runMessage } from './contract.ts';

interface Test {
  teardown(run: () => Promise<void>): void;
}

const SETTINGS = { url: process.env.REDIS_URL ?? '', clusterNodes: null, sentinels: null, tls: null };

/** A queue of its own on the server of the suite. */
function open(t: Test, options: Partial<BullmqOptions> = {}): BullmqQueue {
  const sender = connectRedis(SETTINGS, silentLogger, 'fails');
  const receiver = connectRedis(SETTINGS, silentLogger, 'waits');
  const nodeId = options.nodeId ?? newId();
  const queue = new BullmqQueue({
    settings: { ...DEFAULT_BULLMQ, prefix: `{test-${newId()}}` },
    sender,
    receiver,
    nodeId,
    host: 'here',
    takesResults: true,
    concurrency: 10,
    clock: systemClock,
    log: silentLogger,
    executors: () => Promise.resolve([nodeId]),
    loadAction: () => Promise.resolve(null),
    ...options,
  });
  t.teardown(async () => {
    await queue.close();
    sender.disconnect();
    receiver.disconnect();
  });
  return queue;
}

queueContract(test, 'bullmq', (t) =>
  Promise.resolve({
    queue: open(t),
    // A refused message comes again after a second.
    passTime: () => new Promise((resolve) => setTimeout(resolve, 1_500)),
  }),
);

test('bullmq: a message that waits is sent again in vain; after it was handled it comes once more', async (t) => {
  const queue = open(t);
  const action = runMessage('a');
  await queue.send([action]);
  await queue.send([action]);
  const seen = collect(queue);
  await seen.count(1);
  await seen.stop();
  t.is(seen.messages.length, 1);
  t.deepEqual(seen.messages[0], action);
  await queue.send([action]);
  const again = collect(queue);
  await again.count(1);
  await again.stop();
  t.is(again.messages.length, 1);
});

test('bullmq: a target is served by its host alone, and numbers keep their kind', async (t) => {
  const settings = { ...DEFAULT_BULLMQ, prefix: `{test-${newId()}}` };
  const here = open(t, { settings });
  const there = open(t, { settings, host: 'there: é' });
  const [seenHere, seenThere] = [collect(here), collect(there)];
  await here.send([
    { ...runMessage('x', 'there: é'), input: { big: 12345678901234567890n as unknown as number } },
    runMessage('y', 'here'),
  ]);
  await Promise.all([seenHere.count(1), seenThere.count(1)]);
  await Promise.all([seenHere.stop(), seenThere.stop()]);
  t.deepEqual(ids(seenHere.messages), ['y']);
  t.deepEqual(ids(seenThere.messages), ['x']);
  t.is((seenThere.messages[0] as RunAction).input['big'] as unknown, 12345678901234567890n);
});

test('bullmq: a large message carries its id, and is read from the store where it arrives', async (t) => {
  const large = { ...runMessage('large'), input: { text: 'x'.repeat(20_000) } };
  const asked: string[] = [];
  const queue = open(t, {
    loadAction: (id) => {
      asked.push(id);
      return Promise.resolve(id === 'large' ? large : null);
    },
  });
  const seen = collect(queue);
  await queue.send([
    large,
    { ...large, context: { ...large.context, actionExecutionId: 'over' } },
    runMessage('small'),
  ]);
  await seen.count(2);
  await seen.stop();
  t.deepEqual(ids(seen.messages).toSorted(), ['large', 'small']);
  t.deepEqual(asked.toSorted(), ['large', 'over']);
});

test('bullmq: what waits is in no state that survives it: nothing stays in Redis', async (t) => {
  const prefix = `{test-${newId()}}`;
  const queue = open(t, { settings: { ...DEFAULT_BULLMQ, prefix } });
  const seen = collect(queue);
  await queue.send([runMessage('a'), runMessage('b')]);
  await seen.count(2);
  await seen.stop();
  const client = connectRedis(SETTINGS, silentLogger, 'fails');
  t.teardown(async () => client.disconnect());
  const left = (await client.keys(`${prefix}:actions:*`)).filter((key) => /:(a|b)-1$/.test(key));
  t.deepEqual(left, []);
});

test('bullmq: what has a priority overtakes what waits, and a rate limit holds over all nodes', async (t) => {
  const settings = {
    ...DEFAULT_BULLMQ,
    prefix: `{test-${newId()}}`,
    priorities: { 'std.email': 1, 'std.ssh': 200 },
    rateLimits: { 'std.javascript': { max: 2, seconds: 3_600 } },
  };
  const [one, other] = [open(t, { settings, concurrency: 1 }), open(t, { settings })];
  await one.send([
    { ...runMessage('last'), name: 'std.ssh' },
    runMessage('usual'),
    { ...runMessage('first'), name: 'std.email' },
    ...['x', 'y', 'z'].map((id) => ({ ...runMessage(id), name: 'std.javascript' })),
  ]);
  const seen = collect(one);
  await seen.count(5);
  await seen.stop();
  const limited = ['x', 'y', 'z'];
  t.deepEqual(
    ids(seen.messages).filter((id) => !limited.includes(id)),
    ['first', 'usual', 'last'],
  );
  t.is(ids(seen.messages).filter((id) => limited.includes(id)).length, 2);
  const seenThere = collect(other);
  await other.send([runMessage('more')]);
  await seenThere.count(1);
  await seenThere.stop();
  t.deepEqual(ids(seenThere.messages), ['more'], 'the third one waits whoever asks');
});

test('a Redis that would throw away messages is refused', async (t) => {
  const client = connectRedis(SETTINGS, silentLogger, 'fails');
  t.teardown(async () => {
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    client.disconnect();
  });
  await t.notThrowsAsync(checkRedis(client, silentLogger));
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await t.throwsAsync(checkRedis(client, silentLogger), { message: /maxmemory-policy allkeys-lru.*noeviction/ });
});

function ids(messages: readonly ExecutorMessage[]): string[] {
  return messages.map((message) => (message.type === 'run-action' ? message.context.actionExecutionId : ''));
}

function collect(queue: BullmqQueue) {
  const messages: ExecutorMessage[] = [];
  let check = () => {};
  const stop = queue.consume((message) => {
    messages.push(message);
    check();
    return Promise.resolve();
  });
  return {
    messages,
    stop,
    count: (count: number) =>
      new Promise<void>((resolve) => {
        check = () => {
          if (messages.length >= count) resolve();
        };
        check();
      }),
  };
}
