import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import { jarProblem } from '../plan.ts';
import type { JarStore } from '../jars.ts';
import type { Flow } from './flow.ts';
import { redeploy } from './redeploy.ts';

/** flink.upgrade: stop with a savepoint, run the new jar from it, and the old one again when that does not come up. */
export function upgradeFlow(jars: JarStore): Flow {
  return {
    name: 'upgrade',
    timeoutSeconds: null,
    onStop: 'end',
    problem: (input) => {
      const rollback = input.rollback ?? null;
      if (rollback !== null && !isJsonObject(rollback))
        return 'rollback must be a mapping: {jar: …, entry_class: …, args: …}.';
      const inner = rollback === null ? null : jarProblem(rollback);
      return jarProblem(input) ?? (inner === null ? null : `rollback: ${inner}`);
    },
    step: (run) =>
      redeploy(run, jars, {
        next: run.input,
        rollback: isJsonObject(run.input.rollback ?? null) ? (run.input.rollback as JsonObject) : null,
        action: 'flink.upgrade',
        result: {},
      }),
  };
}
