import test from 'ava';
import { array, assert, nat, property } from 'fast-check';
import type { ExecutionId } from '../../engine/core/model.ts';
import { TimerHeap } from '../../engine/scheduler/timers.ts';
import type { Clock } from '../../engine/shell/clock.ts';
import { TestClock } from '../helpers/clock.ts';

const EXECUTION = 'x' as ExecutionId;

function heap(clock: Clock = new TestClock()) {
  const fired: string[] = [];
  return { fired, timers: new TimerHeap(clock, (timer) => fired.push(timer.id)) };
}

test('timers fire when they are due, in the order of their times and then of their ids', (t) => {
  const check = () =>
    assert(
      property(array(nat(50), { maxLength: 200 }), (delays) => {
        const clock = new TestClock();
        const { timers, fired } = heap(clock);
        const all = delays.map((delay, i) => ({ id: `t${String(i).padStart(3, '0')}`, dueAt: clock.now() + delay }));
        for (const timer of all) timers.add({ ...timer, executionId: EXECUTION });
        clock.advance(25);
        const expected = (limit: number) =>
          all
            .filter((_, i) => (delays[i] ?? 0) <= limit)
            .toSorted((a, b) => a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1))
            .map((timer) => timer.id);
        const early = fired.join() === expected(25).join();
        clock.advance(25);
        return early && fired.join() === expected(50).join();
      }),
    );
  t.notThrows(check);
  t.pass();
});

test('what was taken back does not fire; what is known is not added twice', (t) => {
  const clock = new TestClock();
  const { timers, fired } = heap(clock);
  const at = (id: string, delay: number) => ({ id, executionId: EXECUTION, dueAt: clock.now() + delay });
  timers.add(at('a', 10));
  timers.add(at('a', 10));
  timers.add(at('b', 10));
  timers.remove('b');
  clock.advance(20);
  t.deepEqual(fired, ['a']);
});

test('a timer that is overdue fires at once', (t) => {
  const clock = new TestClock();
  const { timers, fired } = heap(clock);
  timers.add({ id: 'late', executionId: EXECUTION, dueAt: clock.now() - 5_000 });
  clock.advance(0);
  t.deepEqual(fired, ['late']);
});

test('a timer far away is waited for in parts', (t) => {
  const clock = new TestClock();
  const { timers, fired } = heap(clock);
  const month = 30 * 24 * 3_600_000;
  timers.add({ id: 'far', executionId: EXECUTION, dueAt: clock.now() + month });
  clock.advance(month - 1);
  t.deepEqual(fired, []);
  clock.advance(1);
  t.deepEqual(fired, ['far']);
});

test('an earlier timer shortens the sleep, a closed heap fires nothing', (t) => {
  const clock = new TestClock();
  const { timers, fired } = heap(clock);
  timers.add({ id: 'b', executionId: EXECUTION, dueAt: clock.now() + 100 });
  timers.add({ id: 'a', executionId: EXECUTION, dueAt: clock.now() + 10 });
  clock.advance(10);
  t.deepEqual(fired, ['a']);
  timers.close();
  clock.advance(1_000);
  timers.add({ id: 'c', executionId: EXECUTION, dueAt: clock.now() });
  clock.advance(1_000);
  t.deepEqual(fired, ['a']);
});

test('places of timers that were taken back do not pile up', (t) => {
  const clock = new TestClock();
  const { timers, fired } = heap(clock);
  const day = 24 * 3_600_000;
  for (let i = 0; i < 20_000; i++) {
    timers.add({ id: `t${i}`, executionId: EXECUTION, dueAt: clock.now() + day });
    if (i % 100 !== 0) timers.remove(`t${i}`);
  }
  t.true(timers.places <= 2_000, `${timers.places} places`);
  clock.advance(day);
  t.is(fired.length, 200);
});
