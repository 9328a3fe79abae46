import test from 'ava';

/**
 * Imported first by gathered tests: ava starts all tests of a process at once, and some hundreds of servers at once are slower than
 * one after the other and let each other run into their time limits.
 */
const AT_ONCE = 4;

const waiting: (() => void)[] = [];
let free = AT_ONCE;

test.beforeEach(async () => {
  if (free > 0) free -= 1;
  else await new Promise<void>((go) => waiting.push(go));
});

test.afterEach.always(() => {
  const next = waiting.shift();
  if (next === undefined) free += 1;
  // Not at once: hundreds of tests that only compute would keep timers and sockets of the others waiting for a minute.
  else setImmediate(next);
});
