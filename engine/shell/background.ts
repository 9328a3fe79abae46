import type { ExecutorMessage } from '../contract.ts';
import type { Event, ExecutionId } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { CronScheduler, DEFAULT_CRON } from '../scheduler/cron.ts';
import type { CronSettings } from '../scheduler/cron.ts';
import type { Store } from '../store/connection.ts';
import type { Clock } from './clock.ts';
import { CronTriggers } from './cron-triggers.ts';
import type { EventDefinition } from './event-definitions.ts';
import { EventTriggers } from './event-triggers.ts';
import { Maintenance } from './maintenance.ts';
import type { ExecutionMaker } from './new-executions.ts';
import { NO_RETENTION, Retention } from './retention.ts';
import type { RetentionSettings } from './retention.ts';
import { TriggeredStarts } from './triggered-starts.ts';

export interface BackgroundSettings {
  readonly cron: CronSettings;
  readonly retention: RetentionSettings;
  readonly eventDefinitions: readonly EventDefinition[];
}

export interface BackgroundOptions {
  readonly store: Store;
  readonly maker: ExecutionMaker;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: Partial<BackgroundSettings>;
  readonly submit: (id: ExecutionId, event: Event) => Promise<unknown>;
  readonly send: (messages: readonly ExecutorMessage[]) => void;
  readonly forget: (id: ExecutionId) => void;
}

/** What an engine does without being asked: runs of triggers, maintenance, retention. */
export class Background {
  readonly cronTriggers: CronTriggers;
  readonly eventTriggers: EventTriggers;
  readonly maintenance: Maintenance;
  private readonly cron: CronScheduler;
  private readonly retention: Retention;

  constructor(options: BackgroundOptions) {
    const { store, maker, clock, log, settings, submit, send, forget } = options;
    const start = (id: ExecutionId): void => {
      submit(id, { type: 'workflow-started', isStored: true }).catch((error: unknown) =>
        log.error('An execution could not start; it is found again at the next start', { executionId: id, error }),
      );
    };
    const starts = new TriggeredStarts({ store, maker, log, start });
    this.maintenance = new Maintenance({ store, clock, log, submit, resumed: () => this.cron.wake() });
    this.cron = new CronScheduler({
      store,
      starts,
      clock,
      log,
      settings: settings.cron ?? DEFAULT_CRON,
      isPaused: () => this.maintenance.isActive(),
    });
    this.cronTriggers = new CronTriggers({ store, maker, clock, changed: () => this.cron.wake() });
    this.eventTriggers = new EventTriggers({
      store,
      maker,
      starts,
      clock,
      definitions: settings.eventDefinitions ?? [],
    });
    this.retention = new Retention({
      store,
      clock,
      log,
      settings: settings.retention ?? NO_RETENTION,
      send,
      forget,
    });
  }

  /** Once what an earlier process left has been picked up. */
  start(): void {
    for (const part of [this.maintenance, this.cron, this.retention]) part.start();
  }

  async idle(): Promise<void> {
    for (const part of [this.maintenance, this.cron, this.retention]) await part.idle();
  }

  async close(): Promise<void> {
    await Promise.all([this.maintenance, this.cron, this.retention].map((part) => part.close()));
  }
}
