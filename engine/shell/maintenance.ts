import type { Event, ExecutionId } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { Ticker } from '../scheduler/ticker.ts';
import type { Store } from '../store/connection.ts';
import {
  changeMaintenance,
  executionsToPause,
  forgetPauses,
  isAnythingRunning,
  readMaintenance,
  rememberedPauses,
  rememberPauses,
} from '../store/maintenance.ts';
import type { MaintenanceState } from '../store/maintenance.ts';
import type { Clock } from './clock.ts';

export type { MaintenanceState };

export interface MaintenanceOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly submit: (id: ExecutionId, event: Event) => Promise<unknown>;
  /** Called when new work is taken again. */
  readonly resumed: () => void;
}

const PAGE = 200;
const WHILE_PAUSED = 1_000;
// A process may only serve the API, and one that dies while it pauses or resumes executions leaves that to the others.
const WHERE_OTHERS_CHANGE_IT = 2_000;
const OTHERWISE = 60_000;

/**
 * Maintenance mode: running executions of all projects are paused, and those go on when it ends. Jobs outside run on, and
 * asynchronous actions wait: both survive a restart, so neither keeps the cluster from being PAUSED.
 */
export class Maintenance {
  private readonly options: MaintenanceOptions;
  private readonly ticker: Ticker;
  /** With SQLite nobody else changes it. */
  private known: MaintenanceState | null = null;
  private changes = 0;

  constructor(options: MaintenanceOptions) {
    this.options = options;
    this.ticker = new Ticker(options.clock, options.log, 'Pausing or resuming executions for maintenance', () =>
      this.tick(),
    );
  }

  start(): void {
    this.ticker.start();
  }

  idle(): Promise<void> {
    return this.ticker.idle();
  }

  close(): Promise<void> {
    return this.ticker.close();
  }

  async status(): Promise<MaintenanceState> {
    if (this.known !== null) return this.known;
    const { changes } = this;
    const state = await readMaintenance(this.options.store.reader);
    if (this.options.store.dialect === 'sqlite' && changes === this.changes) this.known = state;
    return state;
  }

  async isActive(): Promise<boolean> {
    return (await this.status()) !== 'RUNNING';
  }

  /** Answers at once; executions are paused or resumed after that. */
  async change(to: 'PAUSED' | 'RUNNING'): Promise<MaintenanceState> {
    if (to === 'PAUSED') await this.move(['RUNNING'], 'PAUSING');
    else await this.move(['PAUSING', 'PAUSED'], 'RUNNING');
    this.ticker.wake();
    return this.status();
  }

  private async move(from: readonly MaintenanceState[], to: MaintenanceState): Promise<void> {
    const { store, log, resumed } = this.options;
    const changed = await changeMaintenance(store.writer, from, to);
    // Also when somebody else was first.
    this.known = null;
    this.changes++;
    if (!changed) return;
    log.info(`Maintenance: ${to}`);
    if (to === 'RUNNING') resumed();
  }

  private async tick(): Promise<number> {
    const { store } = this.options;
    const state = await this.status();
    if (state === 'RUNNING') {
      await this.resumeAll();
      return store.dialect === 'sqlite' ? OTHERWISE : WHERE_OTHERS_CHANGE_IT;
    }
    // Also once it is PAUSED: a request that was let in just before may have started something.
    await this.pauseAll();
    if (state === 'PAUSING' && !(await isAnythingRunning(store.reader))) await this.move(['PAUSING'], 'PAUSED');
    return WHILE_PAUSED;
  }

  private async pauseAll(): Promise<void> {
    const { store, submit } = this.options;
    let before = '';
    for (;;) {
      const ids = await executionsToPause(store.reader, PAGE);
      // The same ones again: they do not pause at once, and are looked at again later.
      if (ids.length === 0 || ids.join() === before) return;
      before = ids.join();
      await rememberPauses(store.writer, ids);
      await Promise.all(ids.map((id) => submit(id as ExecutionId, { type: 'pause-requested', by: 'user' })));
    }
  }

  private async resumeAll(): Promise<void> {
    const { store, submit } = this.options;
    for (;;) {
      const ids = await rememberedPauses(store.reader, PAGE);
      if (ids.length === 0) return;
      await Promise.all(
        ids.map((id) => submit(id as ExecutionId, { type: 'resume-requested', by: 'user', env: null })),
      );
      await forgetPauses(store.writer, ids);
    }
  }
}
