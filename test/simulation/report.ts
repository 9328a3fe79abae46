import { dump } from 'js-yaml';
import { type Scenario, workflowBody } from './scenario.ts';
import type { Ran } from './world.ts';

const MOST_LINES = 200;

/** A run for people: the definitions, what was done to them, what happened, what is wrong. */
export function show(scenario: Scenario, ran: Ran, problems: readonly string[]): string {
  const { seed, mode, nodes, faults, operations, workflows, actions } = scenario;
  const plan = (list: readonly { readonly kind: string; readonly at: number }[]): string =>
    list.map(({ kind, at }) => `${kind}@${at}`).join(', ') || 'none';
  const hidden = Math.max(0, ran.trace.length - MOST_LINES);
  return [
    `--- seed ${seed}: ${mode}, ${nodes} nodes at the start; faults: ${plan(faults)}; operations: ${plan(operations)}`,
    dump({
      ...Object.fromEntries(workflows.map((workflow) => [workflow.name, workflowBody(workflow)])),
      ...Object.fromEntries(actions.map(({ name, body }) => [name, body])),
    }),
    ...(hidden > 0 ? [`… ${hidden} lines before`] : []),
    ...ran.trace.slice(hidden),
    ...problems.map((problem) => `WRONG: ${problem}`),
  ].join('\n');
}
