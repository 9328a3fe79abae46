import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { isJsonObject, stringifyJson } from '../../dsl/json.ts';
import type { ExecutionId } from '../core/model.ts';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { newId } from '../ids.ts';
import { parseCronPattern } from '../scheduler/cron-pattern.ts';
import { isUniqueViolation, type Store } from '../store/connection.ts';
import { raiseDefinitionsEpoch } from '../store/definitions.ts';
import { findCronTrigger } from '../store/triggers.ts';
import type { CronTriggerRow } from '../store/triggers.ts';
import type { Clock } from './clock.ts';
import { checkScope } from './definition-rules.ts';
import type { ExecutionMaker } from './new-executions.ts';
import { invalid } from './requests/answers.ts';
import { checkWorkflowExists } from './trigger-rules.ts';

export interface NewCronTrigger {
  readonly name: string | null;
  readonly workflowId: string | null;
  readonly workflowName: string | null;
  readonly workflowInput: JsonObject;
  readonly workflowParams: JsonObject;
  readonly scope: string;
  readonly pattern: string | null;
  /** Milliseconds since 1970. */
  readonly firstTime: number | null;
  readonly count: number | null;
}

export interface CronTriggersOptions {
  readonly store: Store;
  readonly maker: ExecutionMaker;
  readonly clock: Clock;
  /** Called when a trigger is new: it may be the next one to run. */
  readonly changed: () => void;
}

// What a trigger with nothing but a first time shows, as the reference does; it never comes to that.
const NEVER = '0 0 30 2 0';
const MINUTE = 60_000;

/** What people ask of cron triggers: spec/rest-api.md §3.10. */
export class CronTriggers {
  private readonly options: CronTriggersOptions;

  constructor(options: CronTriggersOptions) {
    this.options = options;
  }

  /**
   * @throws EngineError INVALID_INPUT for what is wrong with the times, the scope or the workflow's input; NOT_FOUND for the
   *   workflow; CONFLICT for a name or content that is there already; FORBIDDEN for a scope
   */
  async create(caller: Caller, wanted: NewCronTrigger): Promise<CronTriggerRow> {
    const { store, maker, clock, changed } = this.options;
    const now = clock.now();
    const times = timesOf(wanted, now);
    if (wanted.name === null) throw invalid('Name of the cron trigger is not provided.');
    const { scope } = wanted;
    checkScope(caller, scope);
    const workflow = {
      workflowId: wanted.workflowId,
      workflowName: wanted.workflowName,
      workflowNamespace: '',
    };
    if (workflow.workflowId === null && workflow.workflowName === null) {
      throw invalid('Workflow ID or workflow name must be provided: set workflow_id or workflow_name.');
    }
    // An execution as it would start now says whether workflow and input fit.
    const { record } = await maker.make(
      caller,
      { ...workflow, input: wanted.workflowInput, params: wanted.workflowParams, description: null },
      newId() as ExecutionId,
    );
    const row: CronTriggerRow = {
      id: newId(),
      name: wanted.name,
      workflow_id: record.workflowId ?? '',
      workflow_name: record.workflowName,
      workflow_input: stringifyJson(wanted.workflowInput),
      workflow_params: stringifyJson(wanted.workflowParams),
      project_id: caller.projectId,
      scope,
      by_admin: caller.isAdmin,
      ...times,
      content_key: contentKey(record.workflowName, wanted, times),
      last_execution_id: null,
      created_at: now,
      updated_at: null,
    };
    await insert(store, row);
    changed();
    return row;
  }

  /** @throws EngineError NOT_FOUND, FORBIDDEN for a public one of another project */
  async delete(caller: Caller, identifier: string): Promise<void> {
    await this.options.store.writer.transaction(async (trx) => {
      const row = await findCronTrigger(trx, caller, identifier);
      if (row === undefined) throw cronTriggerNotFound(identifier);
      if (!caller.isAdmin && row.project_id !== caller.projectId) {
        throw new EngineError('FORBIDDEN', `Can not access CronTrigger resource of other projects, ID: ${row.id}`);
      }
      const gone = await trx('cron_triggers').where('id', row.id).delete();
      // Its last run was first.
      if (gone === 0) throw cronTriggerNotFound(identifier);
    });
  }
}

export function cronTriggerNotFound(identifier: string): EngineError {
  return new EngineError('NOT_FOUND', `Cron trigger not found [identifier=${identifier}]`);
}

type Times = Pick<CronTriggerRow, 'pattern' | 'remaining_executions' | 'first_execution_time' | 'next_execution_time'>;

function timesOf({ pattern, firstTime, count }: NewCronTrigger, now: number): Times {
  if (pattern === null && firstTime === null) throw invalid('Pattern or first_execution_time must be specified.');
  if (firstTime !== null) {
    if (firstTime < now + MINUTE) throw invalid('first_execution_time must be at least 1 minute in the future.');
    if (pattern === null && count !== null && count > 1) {
      throw invalid('Pattern must be provided if count is superior to 1.');
    }
  }
  const next = pattern === null ? null : (parseCronPattern(pattern)?.next(now) ?? null);
  if (pattern !== null && next === null) throw invalid(`The specified pattern is not valid: ${pattern}`);
  return {
    pattern: pattern ?? NEVER,
    remaining_executions: pattern === null ? 1 : count,
    first_execution_time: firstTime,
    next_execution_time: firstTime ?? next ?? now,
  };
}

/** Of what must not be there twice under different names (rule 8): null never equals null. */
function contentKey(workflow: string, { workflowInput, workflowParams }: NewCronTrigger, times: Times): string | null {
  const { pattern, remaining_executions: count, first_execution_time: first } = times;
  if (count === null || first === null) return null;
  const content = [workflow, ordered(workflowInput), ordered(workflowParams), pattern, count, first];
  return createHash('sha256').update(stringifyJson(content)).digest('hex');
}

/** With the keys of every mapping in one order. */
function ordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isJsonObject(value)) return value;
  return Object.keys(value)
    .sort()
    .map((key): Json => [key, ordered(value[key] ?? null)]);
}

async function insert(store: Store, row: CronTriggerRow): Promise<void> {
  const taken = (what: string): EngineError => new EngineError('CONFLICT', `Duplicate entry for CronTrigger ${what}`);
  const { name, project_id: project, content_key: key } = row;
  await store.writer.transaction(async (trx) => {
    // Also keeps the workflow from being deleted meanwhile, which begins with this, too.
    await raiseDefinitionsEpoch(trx);
    await checkWorkflowExists(trx, row);
    const same = await trx('cron_triggers').where({ name, project_id: project }).first('id');
    if (same !== undefined) throw taken(`['name', 'project_id']: ${name}, ${project}`);
    try {
      await trx('cron_triggers').insert(row);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const what = "['workflow_name', 'workflow_input', 'workflow_params', 'pattern', 'remaining_executions', ...]";
      throw taken(`${what}: ${name}, ${project}, ${key ?? ''}: there is one with the same content`);
    }
  });
}
