import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from './build.mjs';
import { cpuPer, cpuTimes } from './engine/cpu.mjs';
import { chainOf, inFlight } from './load-shapes.mjs';

const CALLER = { projectId: '<default-project>', isAdmin: true };

/** A whole node in this process: engine, queue, executor. Its steps are `std.sleep: seconds=0`, which an executor must claim and run. */
export async function openNode(folder, settings) {
  const { startNode } = await build('api/node.js');
  const { DEFAULT_CONFIG } = await build('engine/config.js');
  const { silentLogger } = await build('engine/log.js');
  const config = { ...DEFAULT_CONFIG, dataFolder: join(folder, 'data'), executorConcurrency: 500, ...settings };
  const log = { ...silentLogger, error: (...words) => console.error(...words) };
  const node = await startNode(config, log, process.env);
  const waiting = new Map();
  let committed = false;
  node.onCommit(() => {
    committed = true;
  });
  let open = true;
  const watching = watch();
  return {
    ...node,
    upload: (text) =>
      node.definitions.createWorkflows(CALLER, `version: '2.0'\n${text}`, { namespace: '', scope: 'private' }),
    start: (workflowName, input = {}) =>
      node.engine.startExecution(CALLER, {
        id: null,
        workflowId: null,
        workflowName,
        workflowNamespace: '',
        input,
        params: {},
        description: null,
        sourceExecutionId: null,
      }),
    /** Starts one and resolves when it has ended. */
    async execute(workflowName) {
      const { id, state } = await this.start(workflowName);
      if (state !== 'RUNNING') return;
      await new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    close: async () => {
      open = false;
      await watching;
      await node.close();
    },
  };

  /** One question for all that are in flight, so that looking costs little beside what is looked at. */
  async function watch() {
    while (open) {
      await sleep(5);
      if (!committed || waiting.size === 0) continue;
      committed = false;
      const asked = [...waiting.keys()];
      const rows = await node.store
        .reader('executions')
        .whereIn('id', asked)
        .whereNot('state', 'RUNNING')
        .select('id', 'state');
      for (const { id, state } of rows) {
        const { resolve, reject } = waiting.get(id);
        waiting.delete(id);
        if (state === 'SUCCESS') resolve();
        else reject(new Error(`${id} ended in ${state}`));
      }
    }
  }
}

/** Dispatched steps per second of that node, some workflows in flight; each sample is a run of its own. */
export async function dispatchedSteps(node, { width, runs, samples }, beside = []) {
  await node.upload(chainOf(`ten_${width}`, 10, 'std.sleep seconds=0'));
  const own = { name: 'own', run: () => inFlight(width, runs, () => node.execute(`ten_${width}`)), units: runs * 10 };
  const all = [own, ...beside];
  const rates = new Map(all.map(({ name }) => [name, []]));
  let cpu = [];
  // The first round is for the compiler.
  for (let round = 0; round <= samples; round += 1) {
    for (const { name, run, units } of all) {
      const before = cpuTimes();
      const startedAt = performance.now();
      await run();
      const seconds = (performance.now() - startedAt) / 1000;
      if (round > 0) rates.get(name).push(units / seconds);
      if (name === 'own') cpu = cpuPer(before, units, 'dispatched step');
    }
  }
  return { rates, cpu };
}
