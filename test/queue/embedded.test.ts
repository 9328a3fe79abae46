import test from 'ava';
import type { RunAction } from '../../engine/contract.ts';
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

test('embedded: an action with a rate limit runs as often as it may, in order, and holds up no other', async (t) => {
  const clock = new TestClock();
  const queue = new EmbeddedQueue(clock, silentLogger, { 'std.http': { max: 2, seconds: 10 } });
  t.teardown(() => queue.close());
  const seen: string[] = [];
  const stop = queue.consume((message) => {
    seen.push(message.type === 'run-action' ? message.context.actionExecutionId : '');
    return Promise.resolve();
  });
  await queue.send(['a', 'b', 'c', 'd', 'e'].map((id) => runMessage('std.http', id)));
  await queue.send([runMessage('std.sleep', 'free')]);
  t.deepEqual(seen, ['a', 'b', 'free']);
  clock.advance(9_999);
  t.is(seen.length, 3);
  clock.advance(1);
  t.deepEqual(seen.slice(3), ['c', 'd']);
  await stop();
  clock.advance(60_000);
  t.is(seen.length, 5, 'nothing comes after the stop');
});

function runMessage(name: string, actionExecutionId: string): RunAction {
  return {
    type: 'run-action',
    name,
    input: {},
    context: {
      actionExecutionId,
      attempt: 1,
      taskExecutionId: null,
      taskName: null,
      workflowExecutionId: 'w',
      workflowName: 'w',
      callbackUrl: '/',
      projectId: 'p',
    },
    timeoutSeconds: null,
    target: null,
    safeRerun: false,
    claim: true,
  };
}
