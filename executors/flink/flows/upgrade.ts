import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import { toNumber } from '../../inputs.ts';
import { JAR_INPUTS } from '../parameters.ts';
import { jarProblem } from '../plan.ts';
import type { JarStore } from '../jars.ts';
import type { Flow } from './flow.ts';
import { redeploy, redeployLost } from './redeploy.ts';

/** flink.upgrade: stop with a savepoint, run the new jar from it, and the old one again when that does not come up. */
export function upgradeFlow(jars: JarStore): Flow {
  return {
    name: 'upgrade',
    timeoutSeconds: null,
    onStop: 'end',
    problem: wrongInput,
    step: (run) =>
      redeploy(run, jars, {
        next: run.input,
        rollback: isJsonObject(run.input.rollback ?? null) ? (run.input.rollback as JsonObject) : null,
        action: 'flink.upgrade',
        result: {},
      }),
    lost: redeployLost,
  };
}

/** What would otherwise show only after the stop. */
function wrongInput(input: JsonObject): string | null {
  const id = input.new_job_id ?? null;
  if (id !== null && (typeof id !== 'string' || !/^[0-9a-fA-F]{32}$/.test(id)))
    return `new_job_id '${String(id)}' is not made of 32 hex digits.`;
  if (id !== null && String(id).toLowerCase() === String(input.job_id).toLowerCase())
    return 'new_job_id is the id of the job that is replaced; an id can be used once.';
  const rollback = input.rollback ?? null;
  if (rollback !== null && !isJsonObject(rollback))
    return 'rollback must be a mapping: {jar: …, entry_class: …, args: …}.';
  const inner = rollback === null ? null : wrongRollback(rollback);
  return jarProblem(input) ?? (inner === null ? null : `rollback: ${inner}`);
}

/** Its values stand in no declaration of inputs. */
function wrongRollback(rollback: JsonObject): string | null {
  const unknown = Object.keys(rollback).find((key) => !Object.hasOwn(JAR_INPUTS, key));
  if (unknown !== undefined)
    return `there is no ${unknown}; what a start takes is ${Object.keys(JAR_INPUTS).join(', ')}.`;
  const parallelism = rollback.parallelism ?? null;
  if (parallelism !== null && !(Number.isInteger(toNumber(parallelism)) && Number(toNumber(parallelism)) > 0))
    return `parallelism ${String(parallelism)} is not a whole number above 0.`;
  return jarProblem(rollback);
}
