/** Time as the watcher sees it; tests put their own in. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once, after at least that many milliseconds; the answer takes it back. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, callback) {
    // Beyond 2^31 ms Node would fire at once; whoever waits so long looks again after 24 days.
    const timer = setTimeout(callback, Math.min(Math.max(0, milliseconds), 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
