import type { JobsOptions, Queue as BullQueue, Worker as BullWorker } from 'bullmq';
import { parseJson, stringifyJson } from '../../dsl/json.ts';
import type { Json } from '../../dsl/json.ts';
import type { ExecutorMessage, RunAction } from '../contract.ts';
import { newId } from '../ids.ts';
import type { Logger } from '../log.ts';
import { bullmq } from '../optional-libraries.ts';
import type { Clock } from '../shell/clock.ts';
import { USUAL_PRIORITY } from './queue.ts';
import type { Queue, RateLimit } from './queue.ts';
import type { RedisClient } from './redis.ts';

export interface BullmqSettings {
  /** All keys begin with it; in braces, so that a cluster keeps them in one place. */
  readonly prefix: string;
  /** Actions that may not run more often than so, over all executors. */
  readonly rateLimits: Readonly<Record<string, RateLimit>>;
  /** Which actions come before others that wait: 1 comes first. */
  readonly priorities: Readonly<Record<string, number>>;
  /** After so long without a word from a worker its messages are delivered to another. */
  readonly lockMs: number;
}

export const DEFAULT_BULLMQ: BullmqSettings = {
  prefix: '{tramontane}',
  rateLimits: {},
  priorities: {},
  lockMs: 30_000,
};

export interface BullmqOptions {
  readonly settings: BullmqSettings;
  /** Commands of it fail soon when the connection is lost. */
  readonly sender: RedisClient;
  /** For workers: commands of it wait. */
  readonly receiver: RedisClient;
  readonly nodeId: string;
  /** What `target` of a task is compared with. */
  readonly host: string;
  /** Where results of workflows go: to this node, or to any engine. Results of stand-alone actions always come back here. */
  readonly takesResults: boolean;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Processes that run actions now: each of them is told to stop one. */
  readonly executors: () => Promise<readonly string[]>;
  /** A message that was too large to be sent whole, from its row; null when it is over. */
  readonly loadAction: (id: string) => Promise<RunAction | null>;
}

/** What travels: a message, or of a large one only the action execution's id, and where its result is waited for. */
interface Envelope {
  readonly message: ExecutorMessage | null;
  readonly actionExecutionId: string;
  readonly attempt: number;
  readonly replyTo: string | null;
}

/**
 * Messages to executors over Redis (design.md §4). The database is the record: what is lost here is sent again, and what comes
 * twice is refused by the claim.
 *
 * - `actions`: what any executor may run; `host-…`: what one host must; `rate-…`: an action with a rate limit, which is the queue's.
 * - `executor-…`: to stop what one executor runs.
 */
export class BullmqQueue implements Queue {
  private readonly options: BullmqOptions;
  private readonly senders = new Map<string, BullQueue>();
  private readonly replies = new Map<string, string | null>();
  private readonly unsent = new Map<string, Outgoing>();
  private cancelRetry: (() => void) | null = null;
  private closed = false;

  constructor(options: BullmqOptions) {
    this.options = options;
  }

  /** Never rejects: what cannot be sent is kept and tried again, up to a bound beyond which the rows are left to the janitor. */
  async send(messages: readonly ExecutorMessage[]): Promise<void> {
    let outgoing: readonly Outgoing[];
    try {
      outgoing = await this.address(messages);
    } catch (error) {
      this.options.log.warn('Messages could not be addressed; their rows are found again', { error });
      return;
    }
    await this.deliver(outgoing);
  }

  consume(handler: (message: ExecutorMessage) => Promise<void>): () => Promise<void> {
    const { concurrency, nodeId, host, settings } = this.options;
    let isStopping = false;
    const process = (body: string) => {
      // Fetched while the workers were being told: another process gets it.
      if (isStopping) return Promise.reject(new Error('this process takes no more messages'));
      return this.handle(body, handler);
    };
    const workers = [
      this.worker('actions', concurrency, process),
      this.worker(hostQueue(host), concurrency, process),
      this.worker(executorQueue(nodeId), concurrency, process),
      ...Object.entries(settings.rateLimits).map(([name, limit]) =>
        this.worker(rateQueue(name), concurrency, process, limit),
      ),
    ];
    return async () => {
      isStopping = true;
      await Promise.all(workers.map((worker) => worker.close()));
    };
  }

  /** Where the result of an action is waited for that was delivered here; undefined for others. */
  replyTo(actionExecutionId: string): string | null | undefined {
    return this.replies.get(actionExecutionId);
  }

  /** The queue of that name, to add to. */
  sender(name: string): BullQueue {
    const known = this.senders.get(name);
    if (known !== undefined) return known;
    const { sender, settings } = this.options;
    const queue = new (bullmq().Queue)(name, {
      connection: sender,
      prefix: settings.prefix,
      skipVersionCheck: true,
    });
    queue.on('error', () => {});
    this.senders.set(name, queue);
    return queue;
  }

  worker(name: string, concurrency: number, process: (body: string) => Promise<void>, limit?: RateLimit): BullWorker {
    const { receiver, settings, log } = this.options;
    const worker = new (bullmq().Worker)<{ readonly body: string }>(name, (job) => process(job.data.body), {
      connection: receiver,
      prefix: settings.prefix,
      concurrency,
      skipVersionCheck: true,
      lockDuration: settings.lockMs,
      stalledInterval: settings.lockMs,
      // What is delivered again and again is refused by its claim, not by a count.
      maxStalledCount: 2 ** 31 - 1,
      ...(limit === undefined ? {} : { limiter: { max: limit.max, duration: limit.seconds * 1000 } }),
    });
    worker.on('error', (error) => log.debug('A worker met an error', { queue: name, error }));
    worker.on('failed', (job, error) => log.warn('A message is delivered again', { queue: name, job: job?.id, error }));
    return worker;
  }

  /** Removes a queue with all that is in it: nobody reads it any more. */
  async drop(name: string): Promise<void> {
    await this.sender(name).obliterate({ force: true });
  }

  dropExecutor(nodeId: string): Promise<void> {
    return this.drop(executorQueue(nodeId));
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancelRetry?.();
    await Promise.allSettled([...this.senders.values()].map((queue) => queue.close()));
  }

  private async handle(body: string, handler: (message: ExecutorMessage) => Promise<void>): Promise<void> {
    const { message: whole, actionExecutionId, replyTo } = parseJson(body) as unknown as Envelope;
    const message = whole ?? (await this.options.loadAction(actionExecutionId));
    if (message === null) return;
    if (message.type === 'stop-action') return handler(message);
    this.replies.set(actionExecutionId, replyTo);
    try {
      await handler(message);
    } finally {
      this.replies.delete(actionExecutionId);
    }
  }

  private async address(messages: readonly ExecutorMessage[]): Promise<readonly Outgoing[]> {
    const outgoing: Outgoing[] = [];
    let executors: readonly string[] | null = null;
    for (const message of messages) {
      if (message.type === 'run-action') outgoing.push(this.envelopeOf(message));
      else {
        executors ??= await this.options.executors();
        for (const id of executors) outgoing.push(stopEnvelope(message, id));
      }
    }
    return outgoing;
  }

  private envelopeOf(message: RunAction): Outgoing {
    const { settings, takesResults, nodeId } = this.options;
    const { actionExecutionId, attempt, workflowExecutionId } = message.context;
    const envelope: Envelope = {
      message,
      actionExecutionId,
      attempt,
      replyTo: takesResults || workflowExecutionId === null ? nodeId : null,
    };
    let body = stringifyJson(envelope as unknown as Json);
    // A stand-alone action need not have a row.
    if (body.length > LARGEST_MESSAGE && workflowExecutionId !== null)
      body = stringifyJson({ ...envelope, message: null } as unknown as Json);
    const isLimited = Object.hasOwn(settings.rateLimits, message.name);
    const queue = message.target !== null ? hostQueue(message.target) : isLimited ? rateQueue(message.name) : 'actions';
    return { queue, jobId: `${actionExecutionId}-${attempt}`, body, priority: this.priorityOf(message.name) };
  }

  /** Undefined where nobody asked for priorities: BullMQ's plain list is quicker than its ordered one. */
  private priorityOf(action: string): number | undefined {
    const { priorities } = this.options.settings;
    if (Object.keys(priorities).length === 0) return undefined;
    return Object.hasOwn(priorities, action) ? priorities[action] : USUAL_PRIORITY;
  }

  private async deliver(outgoing: readonly Outgoing[]): Promise<void> {
    const byQueue = new Map<string, Outgoing[]>();
    for (const item of outgoing) {
      const items = byQueue.get(item.queue);
      if (items === undefined) byQueue.set(item.queue, [item]);
      else items.push(item);
    }
    const results = await Promise.allSettled(
      [...byQueue].map(([name, items]) =>
        this.sender(name).addBulk(
          items.map(({ jobId, body, priority }) => ({
            name: 'm',
            data: { body },
            opts: { ...JOB_OPTIONS, jobId, ...(priority === undefined ? {} : { priority }) },
          })),
        ),
      ),
    );
    const failed = [...byQueue.values()].flatMap((items, i) => (results[i]?.status === 'rejected' ? items : []));
    if (failed.length > 0) this.keep(failed);
  }

  private keep(failed: readonly Outgoing[]): void {
    // What waits is sent again by others too, such as the janitor: once is enough.
    for (const item of failed) if (this.unsent.size < MOST_UNSENT) this.unsent.set(`${item.queue} ${item.jobId}`, item);
    if (this.closed || this.cancelRetry !== null) return;
    this.options.log.warn('Messages could not be sent; they are sent again', { messages: this.unsent.size });
    this.cancelRetry = this.options.clock.after(RETRY_MILLISECONDS, () => {
      this.cancelRetry = null;
      const again = [...this.unsent.values()];
      this.unsent.clear();
      void this.deliver(again);
    });
  }
}

interface Outgoing {
  readonly queue: string;
  readonly jobId: string;
  readonly body: string;
  readonly priority: number | undefined;
}

const LARGEST_MESSAGE = 16_384;
const RETRY_MILLISECONDS = 1_000;
const MOST_UNSENT = 50_000;

/** Nothing stays in Redis that is over; a refused message comes again after a second, for ever. */
export const JOB_OPTIONS = {
  removeOnComplete: true,
  removeOnFail: true,
  attempts: 2 ** 31 - 1,
  backoff: { type: 'fixed', delay: RETRY_MILLISECONDS },
  stackTraceLimit: 1,
} satisfies JobsOptions;

function stopEnvelope(message: Extract<ExecutorMessage, { type: 'stop-action' }>, executor: string): Outgoing {
  const envelope: Envelope = { message, actionExecutionId: message.actionExecutionId, attempt: 0, replyTo: null };
  return {
    queue: executorQueue(executor),
    jobId: message.receipt ?? newId(),
    priority: undefined,
    body: stringifyJson(envelope as unknown as Json),
  };
}

function executorQueue(nodeId: string): string {
  return `executor-${nodeId}`;
}

function hostQueue(host: string): string {
  return `host-${safeName(host)}`;
}

function rateQueue(action: string): string {
  return `rate-${safeName(action)}`;
}

/** Names of queues may not hold colons; the escape keeps different names apart. */
function safeName(name: string): string {
  return encodeURIComponent(name).replaceAll('%', '=');
}
