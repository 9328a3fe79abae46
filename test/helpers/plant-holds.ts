import { register } from 'node:module';
import type { Mutant } from '../simulation/mutants.ts';

/**
 * Loaded before a node (`node --import`): at named points between an effect and its record the node stands still for those that
 * HOLD_AT names, `{"point": "text that the facts hold"}`, and says so on standard error. Whoever kills it then knows where it was.
 */
const points = JSON.parse(process.env['HOLD_AT'] ?? '{}') as Readonly<Record<string, string>>;

Object.assign(globalThis, {
  holdAt: async (point: string, facts: unknown): Promise<void> => {
    const text = points[point];
    if (text === undefined || !JSON.stringify(facts).includes(text)) return;
    process.stderr.write(`HELD ${point}\n`);
    await new Promise(() => {});
  },
});

const hold = (point: string, facts: string) => `await globalThis.holdAt(${point}, ${facts});`;

const PLANTS: readonly (readonly [file: string, from: string, to: string])[] = [
  [
    'executors/cluster/builtin-service.js',
    'apply: async (wish) => appliedOf(await pools.apply(requestOf(wish))),',
    `apply: async (wish) => { const answer = await pools.apply(requestOf(wish)); if (answer.kind === 'granted') ${hold("'granted'", 'wish')} return appliedOf(answer); },`,
  ],
  [
    'executors/cluster/keeper.js',
    'async release(ended, signal) {',
    `async release(ended, signal) { ${hold("'ended'", 'ended')}`,
  ],
  [
    'executors/cluster/run-backend.js',
    "if (status.kind === 'ended' && status.result.kind === 'success')",
    `if (status.kind === 'ended') ${hold("'applied'", 'job.data')} if (status.kind === 'ended' && status.result.kind === 'success')`,
  ],
  [
    'executors/cluster/run-backend.js',
    'await giveBack(job, context, jobs);',
    `await giveBack(job, context, jobs); ${hold("'released'", 'job.data')}`,
  ],
  [
    'executors/cluster/inner-job.js',
    'return fresh.delete(outer.id) ?',
    `${hold("'recorded'", 'outer.data')} return fresh.delete(outer.id) ?`,
  ],
  [
    'executors/cluster/inner-job.js',
    'const status = await backend.state(job, context);',
    `const status = await backend.state(job, context); ${hold("status.kind === 'ended' ? 'finished' : 'running'", 'step.request.input')}`,
  ],
];

for (const [index, [file, from, to]] of PLANTS.entries()) {
  const mutant: Mutant = { name: `hold ${index}`, file, from, to, seeds: 0 };
  // Each its own copy of the module that plants.
  register(`../simulation/planting.js?${index}`, import.meta.url, { data: mutant });
}
