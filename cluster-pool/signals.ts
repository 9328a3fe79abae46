/** Wakes whoever waits within this process when rows of the pools have changed. Other nodes look for themselves, every so often. */
export class Signals {
  private readonly waiting = new Set<() => void>();

  changed(): void {
    const woken = [...this.waiting];
    this.waiting.clear();
    for (const wake of woken) wake();
  }

  /** Resolves at the next change, after so many milliseconds, or when aborted. */
  next(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}
