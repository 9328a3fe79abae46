import type { Worker as BullWorker } from 'bullmq';
import { parseJson, stringifyJson } from '../../dsl/json.ts';
import type { Json } from '../../dsl/json.ts';
import type { ActionReport } from '../contract.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../shell/clock.ts';
import type { BullmqQueue } from './bullmq.ts';
import { JOB_OPTIONS } from './bullmq.ts';
import type { RedisClient } from './redis.ts';

/** What carries results: those that any engine may take, and those for one node, which holds the view. */
const SHARED = 'results';

export interface ResultStore {
  /** Of these, at these attempts: the ids of those that have no result yet. */
  open(actions: readonly { readonly id: string; readonly attempt: number }[]): Promise<ReadonlySet<string>>;
  keepText(key: string, body: string): Promise<void>;
  loadText(key: string): Promise<string | undefined>;
  dropTexts(keys: readonly string[]): Promise<void>;
}

export interface ResultsOptions {
  readonly queue: BullmqQueue;
  readonly sender: RedisClient;
  /** A connection of its own: it listens to acknowledgements. */
  readonly listener: RedisClient;
  readonly nodeId: string;
  readonly prefix: string;
  readonly store: ResultStore;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Envelope {
  /** Null when the text is in the store, under the key. */
  readonly report: ActionReport | null;
  readonly key: string;
  /** The executor that waits for the acknowledgement. */
  readonly from: string;
}

interface Unacknowledged {
  readonly report: ActionReport;
  readonly replyTo: string | null;
  readonly settle: () => void;
  readonly reject: (error: Error) => void;
  sentAt: number;
  askedAt: number;
}

/**
 * The executors' side of results: each is kept until an engine has committed it, and sent again when that takes long or Redis has
 * lost what it held (design.md §4).
 */
export class ResultSender {
  private readonly options: ResultsOptions;
  private readonly waiting = new Map<string, Unacknowledged>();
  private cancelCheck: (() => void) | null = null;
  private closed = false;

  constructor(options: ResultsOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const { listener, prefix, nodeId } = this.options;
    const channel = channelOf(prefix, nodeId);
    // Others subscribe on this connection, too.
    listener.on('message', (from: string, text: string) => {
      if (from === channel) for (const key of parseJson(text) as string[]) this.settle(key);
    });
    await listener.subscribe(channel);
    this.armCheck();
  }

  /** Resolves once an engine has committed it, or somebody else's result counts. Rejects when this is closed before. */
  report(report: ActionReport, replyTo: string | null): Promise<void> {
    if (this.closed) return Promise.reject(new Error('The executor is shutting down.'));
    const key = keyOf(report);
    const now = this.options.clock.now();
    return new Promise((resolve, reject) => {
      const others = this.waiting.get(key);
      const entry: Unacknowledged = {
        report,
        replyTo,
        settle: () => {
          others?.settle();
          resolve();
        },
        reject: (error) => {
          others?.reject(error);
          reject(error);
        },
        sentAt: now,
        askedAt: now,
      };
      this.waiting.set(key, entry);
      void this.send(key, entry, replyTo);
    });
  }

  /** Redis may have lost what it held. */
  sendAllAgain(): void {
    for (const [key, entry] of this.waiting) void this.send(key, entry, null);
  }

  close(): void {
    this.closed = true;
    this.cancelCheck?.();
    for (const { reject } of this.waiting.values())
      reject(new Error('The executor was closed before the engine had the result.'));
    this.waiting.clear();
  }

  private settle(key: string): void {
    const entry = this.waiting.get(key);
    this.waiting.delete(key);
    entry?.settle();
  }

  private async send(key: string, entry: Unacknowledged, to: string | null): Promise<void> {
    const { queue, nodeId, store, log } = this.options;
    entry.sentAt = this.options.clock.now();
    try {
      let body = stringifyJson({ report: entry.report, key, from: nodeId } as unknown as Json);
      if (body.length > LARGEST_MESSAGE) {
        await store.keepText(key, stringifyJson(entry.report as unknown as Json));
        body = stringifyJson({ report: null, key, from: nodeId });
      }
      await queue.sender(to === null ? SHARED : resultQueue(to)).add('r', { body }, { ...JOB_OPTIONS, jobId: key });
    } catch (error) {
      log.debug('A result could not be sent; it is sent again', { key, error });
      // Soon, but not at once: nothing answers.
      entry.sentAt -= RESEND_MILLISECONDS - CHECK_MILLISECONDS;
    }
  }

  private armCheck(): void {
    this.cancelCheck = this.options.clock.after(CHECK_MILLISECONDS, () => {
      void this.check()
        .catch((error: unknown) => this.options.log.debug('Results could not be looked up', { error }))
        .finally(() => {
          if (!this.closed) this.armCheck();
        });
    });
  }

  /** An acknowledgement may be lost: the row says whether there is a result. */
  private async check(): Promise<void> {
    const now = this.options.clock.now();
    const late = [...this.waiting].filter(([, entry]) => now - entry.askedAt >= ASK_MILLISECONDS);
    for (let at = 0; at < late.length; at += 500) {
      const slice = late.slice(at, at + 500);
      const open = await this.options.store.open(
        slice.map(([, { report }]) => ({ id: report.actionExecutionId, attempt: report.attempt })),
      );
      for (const [key, entry] of slice) {
        entry.askedAt = now;
        if (!open.has(entry.report.actionExecutionId)) this.settle(key);
      }
    }
    for (const [key, entry] of this.waiting) {
      // Its first address may be a node that is gone: any engine will do.
      if (now - entry.sentAt >= RESEND_MILLISECONDS) void this.send(key, entry, null);
    }
  }
}

/** The engines' side: takes results, and tells their executors once they are committed. */
export class ResultReceiver {
  private readonly options: Omit<ResultsOptions, 'listener'>;
  private readonly take: (report: ActionReport) => Promise<void>;
  private readonly workers: BullWorker[] = [];
  private acknowledged = new Map<string, string[]>();
  private storedTexts: string[] = [];
  private flushing: Promise<void> | null = null;

  constructor(options: Omit<ResultsOptions, 'listener'>, take: (report: ActionReport) => Promise<void>) {
    this.options = options;
    this.take = take;
  }

  /** @param shared also those that any engine may take. */
  start(shared: boolean): void {
    const names = [resultQueue(this.options.nodeId), ...(shared ? [SHARED] : [])];
    for (const name of names) this.workers.push(this.open(name));
  }

  /** Takes what was meant for a node that is gone, and removes its queue once it is empty. */
  async takeOver(nodeId: string, isOver: () => boolean): Promise<void> {
    const { queue, clock } = this.options;
    const name = resultQueue(nodeId);
    const counts = () => queue.sender(name).getJobCountByTypes('wait', 'active', 'delayed', 'prioritized');
    if ((await counts()) > 0) {
      const worker = this.open(name);
      try {
        // What the dead node had in its hands comes when its locks have run out.
        while (!isOver() && (await counts()) > 0) await new Promise<void>((resolve) => clock.after(1_000, resolve));
      } finally {
        await worker.close();
      }
    }
    if (!isOver()) await queue.drop(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
    await this.flushing;
  }

  private open(name: string): BullWorker {
    return this.options.queue.worker(name, CONCURRENCY, (body) => this.handle(body));
  }

  private async handle(body: string): Promise<void> {
    const { report, key, from } = parseJson(body) as unknown as Envelope;
    const whole = report ?? (await this.load(key));
    if (whole !== null) await this.take(whole);
    if (report === null) this.storedTexts.push(key);
    const keys = this.acknowledged.get(from);
    if (keys === undefined) this.acknowledged.set(from, [key]);
    else keys.push(key);
    // Those of one batch are told together.
    this.flushing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.flush());
  }

  private async load(key: string): Promise<ActionReport | null> {
    const text = await this.options.store.loadText(key);
    return text === undefined ? null : (parseJson(text) as unknown as ActionReport);
  }

  private async flush(): Promise<void> {
    this.flushing = null;
    const { sender, prefix, store, log } = this.options;
    const acknowledged = this.acknowledged;
    const texts = this.storedTexts.splice(0);
    this.acknowledged = new Map();
    try {
      await Promise.all(
        [...acknowledged].map(([executor, keys]) => sender.publish(channelOf(prefix, executor), JSON.stringify(keys))),
      );
      await store.dropTexts(texts);
    } catch (error) {
      log.debug('Acknowledgements could not be sent; executors look for themselves', { error });
    }
  }
}

const LARGEST_MESSAGE = 16_384;
const CHECK_MILLISECONDS = 1_000;
const ASK_MILLISECONDS = 2_000;
const RESEND_MILLISECONDS = 10_000;
// As many as a batch of the conductor holds: the next ones gather while it commits.
const CONCURRENCY = 500;

function keyOf(report: ActionReport): string {
  return `${report.actionExecutionId}-${report.attempt}`;
}

function resultQueue(nodeId: string): string {
  return `results-${nodeId}`;
}

function channelOf(prefix: string, nodeId: string): string {
  return `${prefix}:acks:${nodeId}`;
}
