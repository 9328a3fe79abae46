import type { Clock } from '../engine/shell/clock.ts';

/** Resolves after the time; rejects with the signal's reason as soon as it is aborted. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const until = Date.now() + milliseconds;
    let timer: NodeJS.Timeout;
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const arm = () => {
      // A timer beyond 2^31 ms would fire at once.
      timer = setTimeout(step, Math.min(until - Date.now(), LONGEST_TIMER));
    };
    const step = () => {
      if (Date.now() < until) return arm();
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    arm();
  });
}

const LONGEST_TIMER = 2 ** 31 - 1;

/** As the clock's `after`, for times beyond the 25 days that Node's timers know. */
export function afterLong(clock: Clock, milliseconds: number, callback: () => void): () => void {
  if (milliseconds <= LONGEST_TIMER) return clock.after(milliseconds, callback);
  let cancel = clock.after(LONGEST_TIMER, () => {
    cancel = afterLong(clock, milliseconds - LONGEST_TIMER, callback);
  });
  return () => cancel();
}
