import type { ActionReport, EnginePort } from '../engine/contract.ts';
import type { Clock } from '../engine/shell/clock.ts';
import { retryPause } from './jobs/pauses.ts';
import type { Logger } from '../engine/log.ts';

/** Keeps a result and sends it again, with growing pauses, until the engine has committed it (design: losing the queue loses nothing). */
export class Reporter {
  private readonly engine: Pick<EnginePort, 'report'>;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly stopWaiting = new Set<(error: Error) => void>();
  private closed = false;

  constructor(engine: Pick<EnginePort, 'report'>, clock: Clock, log: Logger) {
    this.engine = engine;
    this.clock = clock;
    this.log = log;
  }

  /** Resolves once the engine has it. Rejects only when this is closed before. */
  send(report: ActionReport): Promise<void> {
    return this.untilTaken('the result', report.actionExecutionId, () => this.engine.report(report));
  }

  /** Tells the engine something else of an action, as {@link send} otherwise. */
  async untilTaken(what: string, actionExecutionId: string, tell: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries++) {
      if (this.closed) throw new Error(CLOSED);
      try {
        await tell();
        return;
      } catch (error) {
        this.log.warn(`The engine did not take ${what} of an action: it is sent again.`, {
          actionExecutionId,
          tries,
          error,
        });
        await this.pause(retryPause(tries, Math.random(), 30_000));
      }
    }
  }

  /** Nothing is sent any more; what waits is rejected. */
  close(): void {
    this.closed = true;
    for (const stop of this.stopWaiting) stop(new Error(CLOSED));
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(milliseconds, () => {
        this.stopWaiting.delete(stop);
        resolve();
      });
      const stop = (error: Error) => {
        cancel();
        this.stopWaiting.delete(stop);
        reject(error);
      };
      this.stopWaiting.add(stop);
    });
  }
}

const CLOSED = 'The executor was closed before the engine had the result.';
