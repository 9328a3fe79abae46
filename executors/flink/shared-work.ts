/** Work that several callers want at the same time is done once. It is stopped only when none of them waits for it any more. */
export class SharedWork<T> {
  private readonly running = new Map<string, Shared<T>>();

  /** `isOwn`: this call has begun the work. @throws what the work throws, or the signal's reason. */
  async join(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<{ readonly value: T; readonly isOwn: boolean }> {
    signal.throwIfAborted();
    const found = this.running.get(key);
    const one = found ?? this.begin(key, work);
    one.waiting++;
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason as Error);
      signal.addEventListener('abort', leave);
    });
    try {
      return { value: await Promise.race([one.done, left]), isOwn: found === undefined };
    } finally {
      signal.removeEventListener('abort', leave);
      if (--one.waiting === 0) this.end(key, one);
    }
  }

  private begin(key: string, work: (signal: AbortSignal) => Promise<T>): Shared<T> {
    const stop = new AbortController();
    const done = work(stop.signal);
    const one: Shared<T> = { done, stop, waiting: 0 };
    this.running.set(key, one);
    // Whoever has left does not hear how it ends.
    done.catch(() => {});
    return one;
  }

  /** Nobody waits: whoever comes now begins anew. */
  private end(key: string, one: Shared<T>): void {
    if (this.running.get(key) === one) this.running.delete(key);
    one.stop.abort();
  }
}

interface Shared<T> {
  readonly done: Promise<T>;
  readonly stop: AbortController;
  waiting: number;
}
