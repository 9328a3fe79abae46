import { createDefinitions } from '../../engine/shell/definitions.ts';
import type { ExecutorMessage, RunAction, StopAction } from '../../engine/contract.ts';
import { createEngine, type RunningEngine } from '../../engine/index.ts';
import { silentLogger } from '../../engine/log.ts';
import { EmbeddedQueue } from '../../engine/queue/embedded.ts';
import type { Store } from '../../engine/store/connection.ts';
import { createCatalogue } from '../../executors/index.ts';
import { CALLER } from '../helpers/engine.ts';
import type { TestClock } from '../helpers/clock.ts';
import { type Fault, faultyStore } from './faulty-store.ts';

const CATALOGUE = createCatalogue();

/** One life of a process on a store that outlives it. */
export class Node {
  readonly engine: RunningEngine;
  readonly waiting: RunAction[] = [];
  readonly stops: StopAction[] = [];
  dead = false;
  /** Told of every transaction; answers at which point the process dies. */
  fault: () => Fault = () => 'none';

  private constructor(store: Store, clock: TestClock) {
    const queue = new EmbeddedQueue(clock, silentLogger);
    this.engine = createEngine({
      store: faultyStore(
        store,
        () => this.next(),
        () => new Error('this process is dead'),
      ),
      catalogue: CATALOGUE,
      queue,
      clock,
      log: silentLogger,
      embeddedExecutor: true,
      // Random workflows may go in circles.
      limits: { tasksPerName: 40 },
    });
    queue.consume(
      this.engine.acknowledging((message: ExecutorMessage) => {
        // A process that died neither sends nor takes anything.
        if (this.dead) return new Promise(() => {});
        if (message.type === 'run-action') this.waiting.push(message);
        else this.stops.push(message);
        return Promise.resolve();
      }),
    );
  }

  static async start(store: Store, clock: TestClock, fault: () => Fault = () => 'none'): Promise<Node> {
    const node = new Node(store, clock);
    node.fault = fault;
    await node.engine.start().catch(() => {
      if (!node.dead) throw new Error('the start failed on a node that lives');
    });
    return node;
  }

  /** Nothing of what this process still does reaches the store. */
  die(): void {
    this.dead = true;
    void this.engine.close();
  }

  async startWorkflow(name: string, id: string): Promise<void> {
    await this.engine.startExecution(CALLER, {
      id,
      workflowId: null,
      workflowName: name,
      workflowNamespace: '',
      input: {},
      params: {},
      description: null,
      sourceExecutionId: null,
    });
  }

  private next(): Fault {
    if (this.dead) return 'before';
    const fault = this.fault();
    if (fault !== 'none') this.dead = true;
    return fault;
  }
}

export async function upload(store: Store, text: string): Promise<void> {
  const definitions = createDefinitions({ store, catalogue: CATALOGUE, now: () => 0 });
  await definitions.createWorkflows(CALLER, text, { namespace: '', scope: 'private' });
}
