import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../dsl/json.ts';
import { openClusterPools } from '../../cluster-pool/index.ts';
import type {
  ApplyRequest,
  Cluster,
  ApplyAnswer,
  ClusterPoolsOptions,
  RunningClusterPools,
} from '../../cluster-pool/index.ts';
import { silentLogger } from '../../engine/log.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import type { Clock } from '../../engine/shell/clock.ts';
import type { Store } from '../../engine/store/connection.ts';
import { memoryStore } from '../helpers/store.ts';

interface Test {
  teardown(run: () => Promise<void>): void;
}

/** Looks often, so that tests wait for nothing. */
export const FAST: JsonObject = { tick_seconds: 0.05, health_seconds: 0.1, reaper_seconds: 0.05, retry_seconds: 0.01 };

/** Real time that a test can move on. */
export class MovableClock implements Clock {
  private ahead = 0;

  now(): number {
    return systemClock.now() + this.ahead;
  }

  after(milliseconds: number, callback: () => void): () => void {
    return systemClock.after(milliseconds, callback);
  }

  advance(seconds: number): void {
    this.ahead += seconds * 1000;
  }
}

export interface TestPools {
  readonly store: Store;
  readonly pools: RunningClusterPools;
  readonly clock: MovableClock;
  /** Another process on the same database: the first one must have been left with {@link RunningClusterPools.stop}, or is meant to compete. */
  open(pools: JsonObject, more?: Partial<ClusterPoolsOptions>): Promise<RunningClusterPools>;
}

/** Started pools on a database of their own; stopped after the test. */
export async function testPools(
  t: Test,
  pools: JsonObject,
  clusters: JsonObject = {},
  more: Partial<ClusterPoolsOptions> = {},
): Promise<TestPools> {
  const folder = await mkdtemp(join(tmpdir(), 'pools-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const store = await memoryStore(t);
  const clock = new MovableClock();
  const open = async (sections: JsonObject, further: Partial<ClusterPoolsOptions> = {}) => {
    const opened = openClusterPools({
      store,
      clock,
      log: silentLogger,
      nodeId: randomUUID(),
      config: { pools: sections, clusters: { ...FAST, ...clusters } },
      folder,
      environment: {},
      host: 'here',
      ...more,
      ...further,
    });
    t.teardown(() => opened.stop());
    await opened.start();
    return opened;
  };
  return { store, clock, pools: await open(pools), open };
}

export function applyRequest(userId: string, more: Partial<ApplyRequest> = {}): ApplyRequest {
  return {
    project: 'p',
    user_id: userId,
    filter: {},
    allow_multiple: false,
    wait_s: 0,
    ttl_s: null,
    lease_key: null,
    execution_id: null,
    root_execution_id: null,
    scope: 'execution',
    ...more,
  };
}

/** A cluster, waited for. */
export async function lease(
  pools: RunningClusterPools,
  userId: string,
  more: Partial<ApplyRequest> = {},
): Promise<Cluster> {
  return granted(await leaseAnswer(pools, userId, more));
}

export async function leaseAnswer(
  pools: RunningClusterPools,
  userId: string,
  more: Partial<ApplyRequest> = {},
): Promise<ApplyAnswer> {
  const answer = await pools.apply(applyRequest(userId, { wait_s: 600, ...more }));
  return answer.kind === 'waiting' ? pools.waitFor(answer.ticket, 600_000) : answer;
}

export function granted(answer: ApplyAnswer): Cluster {
  if (answer.kind !== 'granted') throw new Error(`no cluster: ${JSON.stringify(answer)}`);
  return answer.cluster;
}

/** An execution's row with this state, as far as leases look at it. */
export async function insertExecution(store: Store, id: string, state: string): Promise<void> {
  await store.writer('executions').insert({
    id,
    version: 1,
    workflow_name: 'wf',
    workflow_namespace: '',
    spec_hash: '',
    project_id: 'p',
    description: '',
    tags: '[]',
    state,
    input: '{}',
    output: '{}',
    params: '{}',
    context: '{}',
    runtime_context: '{}',
    accepted: false,
    created_at: 1,
    updated_at: 1,
  });
}
