import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cleanup } from '../helpers/cleanup.ts';
import { startServers } from '../helpers/cluster.ts';
import { Random } from '../simulation/random.ts';
import { Faults } from './faults.ts';
import { judge, settle } from './judge.ts';
import type { Verdict } from './judge.ts';
import { openChaosLedger } from './ledger.ts';
import { Load } from './load.ts';
import { ServerNode } from './nodes.ts';

export interface ChaosOptions {
  readonly folder: string;
  readonly seed: number;
  /** It ends after this time, or after so many kills. */
  readonly milliseconds: number;
  readonly kills: number;
  /** Roles of each node. */
  readonly nodes: readonly string[];
  readonly pauseMs: number;
  readonly width: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface ChaosResult extends Verdict {
  readonly faults: ReadonlyMap<string, number>;
  readonly kills: number;
  readonly calls: number;
  readonly repeatedRequests: number;
  /** What requests were refused with, and how often. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly settleSeconds: number;
  readonly nodes: readonly { readonly name: string; readonly starts: number; readonly peakMegabytes: number }[];
}

/** Real processes, a load of workflows, damage at random moments; then the judgement. */
export async function runChaos(options: ChaosOptions, cleanup: Cleanup): Promise<ChaosResult> {
  const { folder, seed, log, signal } = options;
  const random = new Random(seed);
  const ledger = await openChaosLedger(new Random(seed + 1));
  cleanup.add('the ledger', ledger.close);
  const { postgres, redis } = await startServers(folder, cleanup);
  const problems: string[] = [];
  const nodes: ServerNode[] = [];
  for (const [i, roles] of options.nodes.entries()) {
    const node = await ServerNode.create(`node-${i + 1}`, roles, {
      folder,
      postgresPort: Number(new URL(postgres.url).port),
      redisPort: Number(new URL(redis.url).port),
      onCrash: ({ name }, how) => problems.push(`${name} ${how}: see ${join(folder, name)}.log`),
    });
    nodes.push(node);
    cleanup.add(node.name, node.stop.bind(node));
    node.start();
  }
  await Promise.all(nodes.map((node) => node.untilReady()));
  signal.throwIfAborted();
  const urls = nodes.filter(({ hasApi }) => hasApi).map(({ url }) => url);
  const load = new Load({ random: new Random(seed + 2), ledger, urls, width: options.width });
  await load.define();
  log('all nodes are up: chaos begins');
  const loading = load.run();
  const faults = new Faults({ nodes, postgres, redis }, random, log);
  const measuring = measureNodes(nodes);
  const end = Date.now() + options.milliseconds;
  await faults.run(
    () => signal.aborted || Date.now() > end || faults.kills >= options.kills || problems.length > 0,
    options.pauseMs,
  );
  signal.throwIfAborted();
  log('chaos is over: everything must come to its end now');
  const calmAt = Date.now();
  for (const node of nodes) node.signal('SIGCONT');
  await load.stop();
  await loading;
  await Promise.all(nodes.map((node) => node.untilReady()));
  const judging = { postgresUrl: postgres.url, redisUrl: redis.url, ledger, load };
  const left = await settle(judging, SETTLE_MILLISECONDS);
  const settleSeconds = (Date.now() - calmAt) / 1000;
  if (left !== null) problems.push(`left over after ${SETTLE_MILLISECONDS / 1000} s: ${left}`);
  const verdict = await judge(judging);
  measuring.stop();
  for (const node of nodes)
    if (!(await node.stop())) problems.push(`${node.name} did not end within 30 s after SIGTERM`);
  return {
    ...verdict,
    problems: [...problems, ...verdict.problems],
    faults: faults.counts,
    kills: faults.kills,
    calls: [...ledger.calls.values()].reduce((sum, count) => sum + count, 0),
    repeatedRequests: load.repeated,
    refusals: load.refusals,
    settleSeconds,
    nodes: nodes.map(({ name, roles, starts, peakMegabytes }) => ({ name: `${name} ${roles}`, starts, peakMegabytes })),
  };
}

const SETTLE_MILLISECONDS = 180_000;

function measureNodes(nodes: readonly ServerNode[]): { stop(): void } {
  let isOver = false;
  const measure = async () => {
    while (!isOver) {
      for (const node of nodes) await node.measure();
      await sleep(1_000, undefined, { ref: false });
    }
  };
  void measure();
  return {
    stop: () => {
      isOver = true;
    },
  };
}
