import type { Knex } from 'knex';
import { deepMerge } from '../../../dsl/json.ts';
import type { ExecutorMessage } from '../../contract.ts';
import { type Event, type ExecutionId, type ExecutionRecord, isFinal } from '../../core/model.ts';
import { EngineError } from '../../errors.ts';
import type { Caller, StartExecution, UpdateExecution } from '../../facade.ts';
import { newId } from '../../ids.ts';
import type { Store } from '../../store/connection.ts';
import { deleteExecutionTree } from '../../store/delete-executions.ts';
import { isBeingPurged } from '../../store/retention.ts';
import { loadExecution } from '../../store/views.ts';
import type { Clock } from '../clock.ts';
import type { Conductor } from '../conductor.ts';
import type { ExecutionMaker } from '../new-executions.ts';
import { accept, invalid, notFound, visible } from './answers.ts';

export interface ExecutionRequestsOptions {
  readonly store: Store;
  readonly maker: ExecutionMaker;
  readonly conductor: Conductor;
  readonly clock: Clock;
  readonly send: (messages: readonly ExecutorMessage[]) => void;
  readonly endLeases: (row: { readonly id: string; readonly body: string }) => void;
}

/** What people ask of executions: start, change, delete (spec/rest-api.md §3.6, §4.1). */
export class ExecutionRequests {
  private readonly options: ExecutionRequestsOptions;

  constructor(options: ExecutionRequestsOptions) {
    this.options = options;
  }

  async start(caller: Caller, request: StartExecution): Promise<ExecutionRecord> {
    const { store } = this.options;
    if (request.id !== null) {
      const existing = await loadExecution(store.reader, request.id);
      if (existing !== undefined) return visible(caller, existing, request.id);
      if (await isBeingPurged(store.reader, request.id)) {
        throw new EngineError(
          'CONFLICT',
          `The execution ${request.id} was deleted, and what belonged to it is being deleted still; use another id, or try again later`,
        );
      }
    }
    const wanted =
      request.sourceExecutionId === null ? request : await this.fromSource(caller, request, request.sourceExecutionId);
    const id = (request.id ?? newId()) as ExecutionId;
    const view = await this.options.maker.make(caller, wanted, id);
    let answer: ExecutionRecord | null = null;
    const outcome = await this.options.conductor.submit(
      id,
      { type: 'workflow-started' },
      {
        lane: 'api',
        create: view,
        onDecided: (started) => {
          answer = started.record;
        },
      },
    );
    accept(outcome);
    return visible(caller, answer ?? (await loadExecution(store.reader, id)), id);
  }

  async update(caller: Caller, id: string, request: UpdateExecution): Promise<ExecutionRecord> {
    const record = visible(caller, await loadExecution(this.options.store.reader, id), id);
    const events = updateEvents(record, request);
    let answer: ExecutionRecord | null = null;
    for (const event of events) {
      const outcome = await this.options.conductor.submit(record.id, event, {
        lane: 'api',
        onDecided: (view) => {
          answer = view.record;
        },
      });
      accept(outcome, () => notFound('WorkflowExecution', id));
    }
    return answer ?? visible(caller, await loadExecution(this.options.store.reader, id), id);
  }

  async delete(caller: Caller, id: string, force: boolean): Promise<void> {
    const { store } = this.options;
    const record = visible(caller, await loadExecution(store.reader, id), id);
    if (!force && !isFinal(record.state)) {
      throw new EngineError(
        'NOT_ALLOWED',
        `Only completed executions can be deleted. Use --force to override this. Execution ${id} is in ${record.state} state`,
      );
    }
    const { ids, running, leases } = await store.writer.transaction((trx: Knex) =>
      deleteExecutionTree(trx, id, this.options.clock.now()),
    );
    if (ids.length === 0) throw notFound('WorkflowExecution', id);
    for (const gone of ids) this.options.conductor.forget(gone as ExecutionId);
    this.options.send(running.map((left) => ({ ...left, type: 'stop-action', reason: 'cancelled' })));
    for (const row of leases) this.options.endLeases(row);
  }

  /** The source's workflow, input and params under what is given (spec/engine.md E-21.2, spec/rest-api.md §3.6). */
  private async fromSource(caller: Caller, request: StartExecution, sourceId: string): Promise<StartExecution> {
    const source = visible(caller, await loadExecution(this.options.store.reader, sourceId), sourceId);
    const description = `${request.description ?? ''} Based on the execution '${sourceId}'`.trim();
    const ownWorkflow = request.workflowId !== null || request.workflowName !== null;
    return {
      ...request,
      workflowId: ownWorkflow ? request.workflowId : source.workflowId,
      workflowName: ownWorkflow ? request.workflowName : source.workflowName,
      workflowNamespace: ownWorkflow ? request.workflowNamespace : source.workflowNamespace,
      input: deepMerge(source.input, request.input),
      params: deepMerge(source.params, request.params),
      description,
      sourceExecutionId: null,
    };
  }
}

/** spec/rest-api.md §4.1: what a PUT asks for, checked in the order that clients rely on. */
function updateEvents(record: ExecutionRecord, request: UpdateExecution): Event[] {
  const { state, stateInfo, description, env } = request;
  const hasDescription = description !== null && description !== '';
  if (state === null && !hasDescription && env === null) {
    throw invalid('The property state, description, or env is not provided for update.');
  }
  if (state !== null && hasDescription)
    throw invalid('The property description must be updated separately from state.');
  if (env !== null && state !== null && state !== 'RUNNING') {
    throw invalid(
      'The property env can only be updated when workflow execution is not running or on resume from pause.',
    );
  }
  const events: Event[] = [];
  if (description !== null && hasDescription) events.push({ type: 'description-changed', description });
  if (state === null) {
    if (env !== null) events.push({ type: 'env-changed', env });
    return events;
  }
  switch (state) {
    case 'RUNNING':
      return [{ type: 'resume-requested', by: 'user', env }];
    case 'PAUSED':
      return [{ type: 'pause-requested', by: 'user' }];
    case 'SUCCESS':
    case 'ERROR':
    case 'CANCELLED':
      return [{ type: 'stop-requested', to: state, message: stateInfo }];
    default:
      throw invalid(
        `Cannot change state to ${state}. Allowed states are: 'RUNNING, PAUSED, SUCCESS, ERROR, CANCELLED'`,
      );
  }
}
