import type { ExecutionContext, TestFn } from 'ava';
import type { ExecutorMessage, RunAction } from '../../engine/contract.ts';
import type { Queue } from '../../engine/queue/queue.ts';

export interface QueueUnderTest {
  readonly queue: Queue;
  /** Lets as much time pass as the queue takes to deliver a refused message again. */
  passTime(): Promise<void>;
}

/** What every queue must do alike. */
export function queueContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext) => Promise<QueueUnderTest>,
): void {
  test(`${name}: what is sent is delivered, also what was sent before anybody consumed`, async (t) => {
    const { queue } = await open(t);
    const seen = new Seen();
    await queue.send([message('a'), message('b')]);
    const stop = queue.consume(seen.handle);
    await queue.send([message('c')]);
    await seen.count(3);
    t.deepEqual(seen.ids.toSorted(), ['a', 'b', 'c']);
    await stop();
  });

  test(`${name}: a message that a handler rejects comes again, the others are not held up`, async (t) => {
    const { queue, passTime } = await open(t);
    const seen = new Seen();
    let isBroken = true;
    const stop = queue.consume(async (given) => {
      await seen.handle(given);
      if (idOf(given) === 'bad' && isBroken) throw new Error('not now');
    });
    await queue.send([message('bad'), message('good')]);
    await seen.count(2);
    isBroken = false;
    await passTime();
    await seen.count(3);
    t.deepEqual(seen.ids.toSorted(), ['bad', 'bad', 'good']);
    await stop();
  });

  test(`${name}: handlers run side by side`, async (t) => {
    const { queue } = await open(t);
    const seen = new Seen();
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const stop = queue.consume(async (given) => {
      await seen.handle(given);
      await gate;
    });
    await queue.send([message('a'), message('b')]);
    await seen.count(2);
    t.pass();
    letGo();
    await stop();
  });

  test(`${name}: stopping waits for what runs, and delivers nothing more`, async (t) => {
    const { queue, passTime } = await open(t);
    const seen = new Seen();
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let isDone = false;
    const stop = queue.consume(async (given) => {
      await seen.handle(given);
      await gate;
      isDone = true;
      throw new Error('refused while stopping');
    });
    await queue.send([message('a')]);
    await seen.count(1);
    const stopped = stop();
    await queue.send([message('b')]);
    letGo();
    await stopped;
    t.true(isDone);
    await passTime();
    t.deepEqual(seen.ids, ['a']);
  });
}

/** An action for the executors of one host, or for any. */
export function runMessage(id: string, target: string | null = null): RunAction {
  return {
    type: 'run-action',
    name: 'std.http',
    input: {},
    context: {
      actionExecutionId: id,
      attempt: 1,
      taskExecutionId: null,
      taskName: null,
      workflowExecutionId: 'w',
      workflowName: 'w',
      callbackUrl: '/',
      projectId: 'p',
    },
    timeoutSeconds: null,
    target,
    safeRerun: false,
    claim: true,
  };
}

class Seen {
  readonly ids: string[] = [];
  private readonly waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  readonly handle = async (given: ExecutorMessage): Promise<void> => {
    this.ids.push(idOf(given));
    for (const waiter of this.waiters) if (this.ids.length >= waiter.count) waiter.resolve();
  };

  count(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.ids.length >= count) resolve();
      else this.waiters.push({ count, resolve });
    });
  }
}

function idOf(given: ExecutorMessage): string {
  return given.type === 'run-action' ? given.context.actionExecutionId : given.actionExecutionId;
}

function message(actionExecutionId: string): ExecutorMessage {
  return { type: 'stop-action', actionExecutionId, reason: 'cancelled', receipt: null };
}
