import type { ExecutorMessage } from '../../engine/contract.ts';
import type { Queue } from '../../engine/queue/queue.ts';
import type { Random } from './random.ts';
import type { Owner, Scheduler } from './scheduler.ts';

type Handler = (message: ExecutorMessage) => Promise<void>;

interface Held {
  readonly message: ExecutorMessage;
  /** When it was sent, to see who overtook whom. */
  readonly number: number;
}

export interface QueueFaults {
  /** Whether the next message meets with this. */
  take(kind: 'repeat-message' | 'delay-message'): boolean;
  note(what: string): void;
}

/** A queue server that all nodes share: at least once, in any order, to any node. It may be lost with everything in it. */
export class ModelQueue {
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly faults: QueueFaults;
  private readonly consumers = new Map<Owner, Handler>();
  private waiting: Held[] = [];
  private readonly held = new Map<Held, Owner>();
  private count = 0;
  private last = 0;
  /** Messages that overtook others. */
  reordered = 0;

  constructor(scheduler: Scheduler, random: Random, faults: QueueFaults) {
    this.scheduler = scheduler;
    this.random = random;
    this.faults = faults;
  }

  /** A node's end of the queue. */
  connect(owner: Owner): Queue {
    return {
      send: (messages) => {
        if (owner.state === 'dead') return Promise.resolve();
        for (const message of messages) this.post(message);
        return Promise.resolve();
      },
      consume: (handler) => {
        this.consumers.set(owner, handler);
        return () => {
          this.consumers.delete(owner);
          return Promise.resolve();
        };
      },
      close: () => Promise.resolve(),
    };
  }

  /** All is gone, also what is being worked on: nobody is told again. */
  lose(): number {
    const lost = this.waiting.length + this.held.size;
    this.waiting = [];
    this.held.clear();
    return lost;
  }

  /** What a dead node had taken is delivered to another. */
  ownerDied(owner: Owner): void {
    this.consumers.delete(owner);
    for (const [held, holder] of this.held) {
      if (holder !== owner) continue;
      this.held.delete(held);
      this.arrive(held);
    }
  }

  private post(message: ExecutorMessage): void {
    const held = { message, number: this.count++ };
    if (this.faults.take('repeat-message')) {
      this.faults.note(`message repeated: ${describe(message)}`);
      this.arrive({ message, number: this.count++ });
    }
    if (this.faults.take('delay-message')) {
      this.faults.note(`message delayed: ${describe(message)}`);
      this.scheduler.after(null, 1000 + this.random.int(120_000), () => this.arrive(held), 'delayed message');
    } else this.arrive(held);
  }

  private arrive(held: Held): void {
    this.waiting.push(held);
    void this.scheduler.gate(null, 'deliver').then(() => this.deliver());
  }

  private deliver(): void {
    const nodes = [...this.consumers].filter(([owner]) => owner.state === 'live');
    if (this.waiting.length === 0) return;
    if (nodes.length === 0) {
      this.scheduler.after(null, 500, () => this.deliver(), 'deliver later');
      return;
    }
    const held = this.random.pick(this.waiting);
    this.waiting.splice(this.waiting.indexOf(held), 1);
    if (held.number < this.last) this.reordered++;
    this.last = held.number;
    const [owner, handler] = this.random.pick(nodes);
    this.held.set(held, owner);
    handler(held.message).then(
      () => this.held.delete(held),
      () => {
        if (!this.held.delete(held)) return;
        this.scheduler.after(null, 1000, () => this.arrive(held), 'deliver again');
      },
    );
  }
}

export function describe(message: ExecutorMessage): string {
  return message.type === 'run-action'
    ? `run ${message.context.taskName ?? ''} ${message.context.actionExecutionId.slice(9, 18)}`
    : `stop ${message.actionExecutionId.slice(9, 18)}`;
}
