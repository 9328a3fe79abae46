import type { Knex } from 'knex';
import type { JsonObject } from '../../dsl/json.ts';
import type { ExecutionId, ExecutionRecord } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { decodeJson } from '../store/columns.ts';
import { isConnectionError, type Store } from '../store/connection.ts';
import { insertIdleExecutions } from '../store/triggers.ts';
import type { CronTriggerRow, EventTriggerRow } from '../store/triggers.ts';
import type { ExecutionMaker } from './new-executions.ts';

export interface TriggeredStartsOptions {
  readonly store: Store;
  readonly maker: ExecutionMaker;
  readonly log: Logger;
  /** Called after the commit for each execution that is new. */
  readonly start: (id: ExecutionId) => void;
}

type Trigger = CronTriggerRow | EventTriggerRow;

/** Executions that triggers start: stored in IDLE together with what made them, started after the commit. */
export class TriggeredStarts {
  private readonly options: TriggeredStartsOptions;

  constructor(options: TriggeredStartsOptions) {
    this.options = options;
  }

  /** @throws EngineError when the workflow is gone, or does not take the trigger's input any more */
  async make(
    kind: 'cron' | 'event',
    trigger: Trigger,
    id: string,
    moreParams: JsonObject = {},
  ): Promise<ExecutionRecord> {
    const caller = { projectId: trigger.project_id, isAdmin: Boolean(trigger.by_admin) };
    const { record } = await this.options.maker.make(
      caller,
      {
        workflowId: trigger.workflow_id,
        workflowName: null,
        workflowNamespace: '',
        input: decodeJson(trigger.workflow_input),
        params: { ...decodeJson<JsonObject>(trigger.workflow_params), ...moreParams },
        description: descriptionOf(kind, trigger),
      },
      id as ExecutionId,
    );
    return record;
  }

  /** As {@link make}; null and a line in the log for what is wrong with the trigger. */
  async tryToMake(...args: Parameters<TriggeredStarts['make']>): Promise<ExecutionRecord | null> {
    try {
      return await this.make(...args);
    } catch (error) {
      if (isConnectionError(error)) throw error;
      const [kind, { id, name, workflow_id: workflow }] = args;
      const why = error instanceof Error ? error.message : String(error);
      this.options.log.error(`A run of a ${kind} trigger could not start: ${why}`, { trigger: id, name, workflow });
      return null;
    }
  }

  /** Stores executions in one transaction, after `first` in it said which, and starts them. */
  async store(first: (trx: Knex) => Promise<readonly ExecutionRecord[]>): Promise<readonly string[]> {
    const ids = await this.options.store.writer.transaction(async (trx: Knex) =>
      insertIdleExecutions(trx, await first(trx)),
    );
    for (const id of ids) this.options.start(id as ExecutionId);
    return ids;
  }
}

/** spec/engine.md E-23.2 */
function descriptionOf(kind: 'cron' | 'event', { id, name }: Trigger): string {
  return JSON.stringify({
    description: `Workflow execution created by ${kind} trigger '(${id})'.`,
    triggered_by: { type: `${kind}_trigger`, id, name },
  });
}
