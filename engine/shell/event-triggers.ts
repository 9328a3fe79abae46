import type { Knex } from 'knex';
import { decodeJson } from '../store/columns.ts';
import { stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ExecutionId, ExecutionRecord } from '../core/model.ts';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { nameId, newId } from '../ids.ts';
import { isUniqueViolation, type Store } from '../store/connection.ts';
import { raiseDefinitionsEpoch } from '../store/definitions.ts';
import { findEventTrigger, listeningTriggers } from '../store/triggers.ts';
import type { EventTriggerRow } from '../store/triggers.ts';
import type { Clock } from './clock.ts';
import { checkScope } from './definition-rules.ts';
import { eventParams } from './event-definitions.ts';
import type { EventDefinition, EventMessage } from './event-definitions.ts';
import type { ExecutionMaker } from './new-executions.ts';
import { userErrors } from './requests/answers.ts';
import { checkWorkflowExists } from './trigger-rules.ts';
import type { TriggeredStarts } from './triggered-starts.ts';

export interface NewEventTrigger {
  readonly name: string | null;
  readonly workflowId: string;
  readonly workflowInput: JsonObject;
  readonly workflowParams: JsonObject;
  readonly scope: string;
  readonly exchange: string;
  readonly topic: string;
  readonly event: string;
}

/** Fields that are undefined are left as they are. */
export type EventTriggerPatch = Partial<
  Pick<NewEventTrigger, 'name' | 'workflowId' | 'workflowInput' | 'workflowParams' | 'scope'>
>;

/** Something that happened outside. */
export interface PublishedEvent {
  /** Whoever hands in an event again under the same id starts nothing twice; null for one that is new in any case. */
  readonly id: string | null;
  readonly exchange: string;
  readonly topic: string;
  readonly event: string;
  readonly payload: Json;
  /** Whose event it is: triggers of this project hear of it, and public ones. */
  readonly projectId: string;
  readonly publisher: string | null;
  /** As the sender wrote it; null: now. */
  readonly timestamp: string | null;
  readonly userId: string | null;
}

export interface StartedByEvent {
  readonly triggerId: string;
  /** null: the workflow could not be started; the log says why. */
  readonly executionId: string | null;
}

export interface EventTriggersOptions {
  readonly store: Store;
  readonly maker: ExecutionMaker;
  readonly starts: TriggeredStarts;
  readonly clock: Clock;
  readonly definitions: readonly EventDefinition[];
}

/** What people ask of event triggers (spec/rest-api.md §3.11), and events coming in (spec/engine.md E-23.4). */
export class EventTriggers {
  private readonly options: EventTriggersOptions;

  constructor(options: EventTriggersOptions) {
    this.options = options;
  }

  /** @throws EngineError NOT_FOUND for the workflow, INVALID_INPUT for its input, CONFLICT, FORBIDDEN for a scope */
  async create(caller: Caller, wanted: NewEventTrigger): Promise<EventTriggerRow> {
    const { store, clock } = this.options;
    const { name, scope, exchange, topic, event } = wanted;
    checkScope(caller, scope);
    const row: EventTriggerRow = {
      id: newId(),
      name,
      ...(await this.workflowColumns(caller, wanted)),
      project_id: caller.projectId,
      scope,
      exchange,
      topic,
      event,
      created_at: clock.now(),
      updated_at: null,
    };
    await write(store, row, (trx) => trx('event_triggers').insert(row));
    return row;
  }

  async update(caller: Caller, id: string, patch: EventTriggerPatch): Promise<EventTriggerRow> {
    const { store, clock } = this.options;
    const old = await findEventTrigger(store.reader, caller, id);
    if (old === undefined || !mayChange(caller, old)) throw eventTriggerNotFound(id);
    const { name, scope } = patch;
    if (scope !== undefined) checkScope(caller, scope);
    const startsOther =
      patch.workflowId !== undefined || patch.workflowInput !== undefined || patch.workflowParams !== undefined;
    const columns: Partial<EventTriggerRow> = {
      ...(name === undefined ? {} : { name }),
      ...(scope === undefined ? {} : { scope }),
      ...(startsOther
        ? await this.workflowColumns(caller, {
            workflowId: patch.workflowId ?? old.workflow_id,
            workflowInput: patch.workflowInput ?? decodeJson(old.workflow_input),
            workflowParams: patch.workflowParams ?? decodeJson(old.workflow_params),
          })
        : {}),
    };
    const isChanged = Object.entries(columns).some(
      ([key, value]) => key !== 'by_admin' && old[key as keyof EventTriggerRow] !== value,
    );
    if (!isChanged) return old;
    const row = { ...old, ...columns, updated_at: clock.now() };
    await write(store, row, async (trx) => {
      const found = await trx('event_triggers')
        .where('id', id)
        .update({ ...columns, updated_at: row.updated_at });
      if (found === 0) throw eventTriggerNotFound(id);
    });
    return row;
  }

  async delete(caller: Caller, id: string): Promise<void> {
    await this.options.store.writer.transaction(async (trx) => {
      const row = await findEventTrigger(trx, caller, id);
      if (row === undefined || !mayChange(caller, row)) throw eventTriggerNotFound(id);
      await trx('event_triggers').where('id', id).delete();
    });
  }

  /**
   * Starts what listens to an event; resolves once all of it is stored.
   *
   * @throws EngineError INVALID_INPUT when the event does not fit its definition
   */
  async publish(event: PublishedEvent): Promise<readonly StartedByEvent[]> {
    const { store, starts, definitions, clock } = this.options;
    const triggers = await listeningTriggers(store.reader, event.projectId, event);
    if (triggers.length === 0) return [];
    const params = { event_params: userErrors(() => eventParams(definitions, messageOf(event, clock.now()))) };
    const eventId = event.id ?? newId();
    const started: StartedByEvent[] = [];
    const records: ExecutionRecord[] = [];
    for (const trigger of triggers) {
      const record = await starts.tryToMake('event', trigger, nameId(trigger.id, eventId), params);
      started.push({ triggerId: trigger.id, executionId: record?.id ?? null });
      if (record !== null) records.push(record);
    }
    await starts.store(async () => records);
    return started;
  }

  private async workflowColumns(
    caller: Caller,
    {
      workflowId,
      workflowInput,
      workflowParams,
    }: Pick<NewEventTrigger, 'workflowId' | 'workflowInput' | 'workflowParams'>,
  ): Promise<
    Pick<EventTriggerRow, 'workflow_id' | 'workflow_name' | 'workflow_input' | 'workflow_params' | 'by_admin'>
  > {
    // An execution as it would start now says whether workflow and input fit.
    const { record } = await this.options.maker.make(
      caller,
      {
        workflowId,
        workflowName: null,
        workflowNamespace: '',
        input: workflowInput,
        params: workflowParams,
        description: null,
      },
      newId() as ExecutionId,
    );
    return {
      workflow_id: record.workflowId ?? workflowId,
      workflow_name: record.workflowName,
      workflow_input: stringifyJson(workflowInput),
      workflow_params: stringifyJson(workflowParams),
      by_admin: caller.isAdmin,
    };
  }
}

export function eventTriggerNotFound(id: string): EngineError {
  return new EngineError('NOT_FOUND', `Event trigger not found [id=${id}].`);
}

function mayChange(caller: Caller, row: EventTriggerRow): boolean {
  return caller.isAdmin || row.project_id === caller.projectId;
}

async function write(
  store: Store,
  row: EventTriggerRow,
  statement: (trx: Knex) => PromiseLike<unknown>,
): Promise<void> {
  await store.writer.transaction(async (trx) => {
    // Also keeps the workflow from being deleted meanwhile, which begins with this, too.
    await raiseDefinitionsEpoch(trx);
    await checkWorkflowExists(trx, row);
    try {
      await statement(trx);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const values = [row.exchange, row.topic, row.event, row.workflow_id, row.project_id].join(', ');
      throw new EngineError(
        'CONFLICT',
        `Duplicate entry for EventTrigger ['exchange', 'topic', 'event', 'workflow_id', 'project_id']: ${values}`,
      );
    }
  });
}

function messageOf(event: PublishedEvent, now: number): EventMessage {
  return {
    event_type: event.event,
    exchange: event.exchange,
    topic: event.topic,
    payload: event.payload,
    publisher: event.publisher,
    timestamp: event.timestamp ?? `${new Date(now).toISOString().slice(0, -1).replace('T', ' ')}000`,
    context: { project_id: event.projectId, user_id: event.userId },
  };
}
