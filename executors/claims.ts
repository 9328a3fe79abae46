import type { EnginePort } from '../engine/contract.ts';

/** Asks the engine for many claims at once: those that come while one request is under way go with the next. */
export class Claims {
  private waiting: Waiting[] = [];
  private asking = false;
  private readonly engine: Pick<EnginePort, 'claim'>;
  private readonly executorId: string;

  constructor(engine: Pick<EnginePort, 'claim'>, executorId: string) {
    this.engine = engine;
    this.executorId = executorId;
  }

  /** Whether this executor may run it. Rejects when the engine cannot be asked: deliver the message again. */
  claim(id: string, attempt: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ id, attempt, resolve, reject });
      if (!this.asking) void this.ask();
    });
  }

  private async ask(): Promise<void> {
    this.asking = true;
    // Whatever arrives within this turn of the event loop joins the first request.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, LARGEST_BATCH);
      try {
        const granted = await this.engine.claim(
          this.executorId,
          batch.map(({ id, attempt }) => ({ id, attempt })),
        );
        for (const one of batch) one.resolve(granted.has(one.id));
      } catch (error) {
        for (const one of batch) one.reject(error);
      }
    }
    this.asking = false;
  }
}

const LARGEST_BATCH = 200;

interface Waiting {
  readonly id: string;
  readonly attempt: number;
  readonly resolve: (granted: boolean) => void;
  readonly reject: (error: unknown) => void;
}
