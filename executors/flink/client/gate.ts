/** Lets so many calls through at once; the others wait in their order. */
export class Gate {
  private readonly most: number;
  private open = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(most: number) {
    this.most = most;
  }

  async pass<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.open >= this.most) await this.turn(signal);
    else this.open++;
    try {
      return await call();
    } finally {
      const next = this.waiting.shift();
      // The place is handed on, so that nobody slips in between.
      if (next === undefined) this.open--;
      else next();
    }
  }

  private turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.waiting.splice(this.waiting.indexOf(enter), 1);
        reject(signal?.reason as Error);
      };
      const enter = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      if (signal?.aborted === true) return reject(signal.reason as Error);
      signal?.addEventListener('abort', stop, { once: true });
      this.waiting.push(enter);
    });
  }
}
