import test from 'ava';
import { silentLogger } from '../../engine/log.ts';
import { EmbeddedQueue } from '../../engine/queue/embedded.ts';
import { TestClock } from '../helpers/clock.ts';
import { queueContract } from './contract.ts';

queueContract(test, 'embedded', async (t) => {
  const clock = new TestClock();
  const queue = new EmbeddedQueue(clock, silentLogger);
  t.teardown(() => queue.close());
  return {
    queue,
    passTime: async () => {
      // The refusal of a handler arrives a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1_000);
    },
  };
});
