import type { Knex } from 'knex';
import { type ExecutionRecord, isFinal, type State } from '../core/model.ts';
import { nameId } from '../ids.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../shell/clock.ts';
import type { TriggeredStarts } from '../shell/triggered-starts.ts';
import { isConnectionError, type Store } from '../store/connection.ts';
import { advanceCronTrigger, dueCronTriggers, nextCronTime } from '../store/triggers.ts';
import type { CronStep, CronTriggerRow } from '../store/triggers.ts';
import { parseCronPattern } from './cron-pattern.ts';
import { Ticker } from './ticker.ts';

export interface CronSettings {
  /** After an outage: the latest run that was missed, or every one. */
  readonly missed: 'latest' | 'all';
  /** Whether a run starts while the one before it still goes on; else it is left out. */
  readonly overlap: boolean;
}

export const DEFAULT_CRON: CronSettings = { missed: 'latest', overlap: true };

export interface CronOptions {
  readonly store: Store;
  readonly starts: TriggeredStarts;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: CronSettings;
  /** Nothing starts during maintenance. */
  readonly isPaused: () => Promise<boolean>;
}

const BATCH = 50;
// Other nodes make triggers, too, and clocks may be set.
const LONGEST_WAIT = 5_000;

/**
 * Starts the executions of cron triggers (design.md §6). An execution's id follows from the trigger and the time that it was due, and
 * its row is stored in the transaction that moves the trigger on: whatever crashes, and however many nodes do this, it starts once.
 */
export class CronScheduler {
  private readonly options: CronOptions;
  private readonly ticker: Ticker;

  constructor(options: CronOptions) {
    this.options = options;
    this.ticker = new Ticker(options.clock, options.log, 'Starting the runs of cron triggers', () => this.tick());
  }

  start(): void {
    this.ticker.start();
  }

  /** There is a new trigger, or maintenance has ended. */
  wake(): void {
    this.ticker.wake();
  }

  idle(): Promise<void> {
    return this.ticker.idle();
  }

  close(): Promise<void> {
    return this.ticker.close();
  }

  private async tick(): Promise<number> {
    const { store, clock, isPaused } = this.options;
    if (await isPaused()) return LONGEST_WAIT;
    const due = await dueCronTriggers(store.reader, clock.now(), BATCH);
    if (due.length > 0) await this.run(await this.plan(due));
    const next = await nextCronTime(store.reader);
    return next === null ? LONGEST_WAIT : Math.min(next - clock.now(), LONGEST_WAIT);
  }

  private async plan(due: readonly CronTriggerRow[]): Promise<readonly Run[]> {
    const now = this.options.clock.now();
    const runs: Run[] = [];
    for (const trigger of due) {
      const { scheduled, ...step } = stepOf(trigger, now, this.options.settings.missed);
      const id = nameId(trigger.id, new Date(scheduled).toISOString());
      const record = await this.options.starts.tryToMake('cron', trigger, id);
      runs.push({ trigger, ...step, record });
    }
    return runs;
  }

  /** All in one transaction; when that does not go, each in its own, so that one cannot hold up the others. */
  private async run(runs: readonly Run[]): Promise<void> {
    const { starts, log } = this.options;
    try {
      await starts.store((trx) => this.advanceAll(trx, runs));
    } catch (error) {
      if (isConnectionError(error)) throw error;
      const [only] = runs;
      if (only === undefined) return;
      if (runs.length > 1) {
        for (const run of runs) await this.run([run]);
        return;
      }
      if (only.record === null) throw error;
      log.error('A run of a cron trigger could not be stored', { trigger: only.trigger.id, error });
      await this.run([{ ...only, record: null }]);
    }
  }

  private async advanceAll(trx: Knex, runs: readonly Run[]): Promise<readonly ExecutionRecord[]> {
    const records: ExecutionRecord[] = [];
    for (const run of runs) {
      const isBusy = !this.options.settings.overlap && (await isRunning(trx, run.trigger.last_execution_id));
      if (isBusy) await this.leaveOut(trx, run);
      else if ((await advanceCronTrigger(trx, { ...run, lastExecutionId: run.record?.id })) && run.record !== null)
        records.push(run.record);
    }
    return records;
  }

  /** Does not count as one of a limited number of runs. */
  private async leaveOut(trx: Knex, run: Run): Promise<void> {
    const { trigger, next } = run;
    // The last of a limited number is waited for.
    const later = next ?? parseCronPattern(trigger.pattern)?.next(this.options.clock.now()) ?? null;
    const remaining = trigger.remaining_executions;
    if (await advanceCronTrigger(trx, { trigger, next: later, remaining, lastExecutionId: undefined })) {
      this.options.log.warn('A run of a cron trigger was left out: the one before it still goes on', {
        trigger: trigger.id,
        executionId: trigger.last_execution_id,
      });
    }
  }
}

interface Run extends Omit<CronStep, 'lastExecutionId'> {
  readonly trigger: CronTriggerRow;
  /** null: the trigger moves on without an execution, since none can be made. */
  readonly record: ExecutionRecord | null;
}

/** Which run is due, and where the trigger stands after it (spec/engine.md E-23.2). */
function stepOf(
  trigger: CronTriggerRow,
  now: number,
  missed: CronSettings['missed'],
): Pick<Run, 'next' | 'remaining'> & { readonly scheduled: number } {
  const planned = trigger.next_execution_time;
  const pattern = parseCronPattern(trigger.pattern);
  const scheduled = missed === 'all' ? planned : Math.max(planned, pattern?.latest(now) ?? planned);
  const remaining = trigger.remaining_executions === null ? null : trigger.remaining_executions - 1;
  const isLast = remaining !== null && remaining <= 0;
  return { scheduled, remaining, next: isLast ? null : (pattern?.next(scheduled) ?? null) };
}

async function isRunning(trx: Knex, executionId: string | null): Promise<boolean> {
  if (executionId === null) return false;
  const row: { state: State } | undefined = await trx('executions').where('id', executionId).first('state');
  return row !== undefined && !isFinal(row.state);
}
