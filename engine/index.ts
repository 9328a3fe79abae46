import type { Knex } from 'knex';
import { copyObject, deepMerge, isJsonObject, type Json, type JsonObject } from '../dsl/json.ts';
import type { ActionCatalogue, ActionReport, ActionResult, EnginePort, ExecutorMessage } from './contract.ts';
import type { Env, FoundWorkflow, Limits } from './core/env.ts';
import { isUserFailure } from './core/failure.ts';
import {
  type ActionRecord,
  type Event,
  type ExecutionId,
  type ExecutionRecord,
  isFinal,
  type TaskExecutionId,
  type TaskRecord,
} from './core/model.ts';
import { environmentOf, newExecution } from './core/new-execution.ts';
import { createView, type ExecutionView } from './core/view.ts';
import { EngineError } from './errors.ts';
import type { Caller, Engine, RunActionRequest, StartExecution, UnsavedAction, UpdateExecution } from './facade.ts';
import { newId } from './ids.ts';
import type { Logger } from './log.ts';
import type { Queue } from './queue/queue.ts';
import { TimerHeap } from './scheduler/timers.ts';
import type { Clock } from './shell/clock.ts';
import { Conductor, type Effects } from './shell/conductor.ts';
import type { Outcome } from './shell/intake.ts';
import { findEnvironment } from './shell/lookups.ts';
import { runMessage } from './shell/messages.ts';
import { recover } from './shell/recovery.ts';
import { findAction, StandAloneActions } from './shell/stand-alone.ts';
import { claimActions, executionOfAction, heartbeatActions } from './store/action-claims.ts';
import type { Store } from './store/connection.ts';
import { createDefinitionFinder, type DefinitionFinder } from './store/definition-finder.ts';
import { findDefinition, findDefinitionById } from './store/definitions.ts';
import { deleteExecutionTree } from './store/delete-executions.ts';
import { taskFromRow, type TaskRow } from './store/tables.ts';
import { loadExecution } from './store/views.ts';

export interface EngineOptions {
  readonly store: Store;
  readonly catalogue: ActionCatalogue;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether this process runs actions itself: what needs a claim is then inserted already claimed. */
  readonly embeddedExecutor: boolean;
  readonly limits?: Partial<Limits>;
  /** Memory for cached views, in bytes (estimated). */
  readonly cacheBytes?: number;
}

export interface RunningEngine extends Engine, EnginePort {
  /** This start of this process; executors claim under it. */
  readonly nodeId: string;
  /** Picks up what an earlier process left. Call it once, when executors consume. */
  start(): Promise<void>;
  /** Wraps an executor's handler: what it has seen to is acknowledged. */
  acknowledging(handler: (message: ExecutorMessage) => Promise<void>): (message: ExecutorMessage) => Promise<void>;
  /** Resolves when nothing is being decided or written. */
  idle(): Promise<void>;
  /** Drops every cached view: decisions go on from what is stored. For tests. */
  forgetViews(): void;
  close(): Promise<void>;
}

const DEFAULT_LIMITS: Limits = { tasksPerName: 10_000, fieldCharacters: 1024 * 1024 };
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;

export function createEngine(options: EngineOptions): RunningEngine {
  return new EngineShell(options);
}

class EngineShell implements RunningEngine {
  readonly nodeId = newId();
  private readonly options: EngineOptions;
  private readonly limits: Limits;
  private readonly finder: DefinitionFinder;
  private readonly conductor: Conductor;
  private readonly timers: TimerHeap;
  private readonly standAlone: StandAloneActions;
  /** Executions of the actions that this process sent out, so that a result need not look for its own. */
  private readonly sentActions = new Map<string, ExecutionId>();
  private closed = false;

  constructor(options: EngineOptions) {
    this.options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { store, catalogue, clock, log } = options;
    this.finder = createDefinitionFinder(store.reader);
    this.conductor = new Conductor({
      store,
      finder: this.finder,
      catalogue,
      clock,
      log,
      nodeId: this.nodeId,
      executorId: options.embeddedExecutor ? this.nodeId : null,
      limits: this.limits,
      cacheBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
      onCommitted: (effects) => this.carryOut(effects),
    });
    this.timers = new TimerHeap(clock, (timer) =>
      this.tell(timer.executionId, { type: 'timer-fired', timer: timer.id }),
    );
    this.standAlone = new StandAloneActions({
      store,
      finder: this.finder,
      catalogue,
      clock,
      limits: this.limits,
      executorId: options.embeddedExecutor ? this.nodeId : null,
      send: (messages) => this.send(messages),
    });
  }

  async start(): Promise<void> {
    await recover({
      store: this.options.store,
      log: this.options.log,
      executorId: this.options.embeddedExecutor ? this.nodeId : null,
      submit: (id, event, outboxId) => this.tell(id, event, outboxId),
      addTimer: (timer) => this.timers.add(timer),
      send: (messages) => this.send(messages),
      failStandAlone: async (action, message) => {
        await this.standAlone.report({
          actionExecutionId: action.id,
          attempt: action.attempt,
          result: { kind: 'error', output: message, retryable: true },
        });
      },
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timers.close();
    await this.conductor.close();
  }

  idle(): Promise<void> {
    return this.conductor.idle();
  }

  forgetViews(): void {
    this.conductor.forgetAll();
  }

  acknowledging(handler: (message: ExecutorMessage) => Promise<void>): (message: ExecutorMessage) => Promise<void> {
    return async (message) => {
      await handler(message);
      if (message.type === 'stop-action' && message.receipt !== null) {
        await this.options.store.writer('outbox').where('id', message.receipt).delete();
      }
    };
  }

  // ---- Engine: what the API calls

  async startExecution(caller: Caller, request: StartExecution): Promise<ExecutionRecord> {
    const { store, clock } = this.options;
    if (request.id !== null) {
      const existing = await loadExecution(store.reader, request.id);
      if (existing !== undefined) return visible(caller, existing, request.id);
    }
    const wanted =
      request.sourceExecutionId === null ? request : await this.fromSource(caller, request, request.sourceExecutionId);
    const workflow = await this.workflowFor(caller, wanted);
    const stored =
      typeof wanted.params.env === 'string'
        ? await findEnvironment(store.reader, wanted.params.env, caller.projectId)
        : null;
    const env = this.envForStart(clock.now(), stored);
    const id = (request.id ?? newId()) as ExecutionId;
    const view = userErrors(() => {
      const environment = environmentOf(env, wanted.params, caller.projectId);
      const namespace = typeof wanted.params.namespace === 'string' ? wanted.params.namespace : workflow.namespace;
      const record = newExecution(env, {
        id,
        workflow,
        input: wanted.input,
        params: { ...wanted.params, namespace, env: environment },
        description: wanted.description ?? '',
        projectId: caller.projectId,
        parent: null,
      });
      return createView(workflow.spec, record, environment);
    });
    let answer: ExecutionRecord | null = null;
    const outcome = await this.conductor.submit(
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

  async updateExecution(caller: Caller, id: string, request: UpdateExecution): Promise<ExecutionRecord> {
    const record = visible(caller, await loadExecution(this.options.store.reader, id), id);
    const events = updateEvents(record, request);
    let answer: ExecutionRecord | null = null;
    for (const event of events) {
      const outcome = await this.conductor.submit(record.id, event, {
        lane: 'api',
        onDecided: (view) => {
          answer = view.record;
        },
      });
      accept(outcome, () => notFound('WorkflowExecution', id));
    }
    return answer ?? visible(caller, await loadExecution(this.options.store.reader, id), id);
  }

  async deleteExecution(caller: Caller, id: string, force: boolean): Promise<void> {
    const { store } = this.options;
    const record = visible(caller, await loadExecution(store.reader, id), id);
    if (!force && !isFinal(record.state)) {
      throw new EngineError(
        'NOT_ALLOWED',
        `Only completed executions can be deleted. Use --force to override this. Execution ${id} is in ${record.state} state`,
      );
    }
    const { ids, running } = await store.writer.transaction((trx: Knex) =>
      deleteExecutionTree(trx, id, this.options.clock.now()),
    );
    for (const gone of ids) this.conductor.forget(gone as ExecutionId);
    this.send(running.map((left) => ({ ...left, type: 'stop-action', reason: 'cancelled' })));
  }

  async rerunTask(caller: Caller, id: string, reset: boolean, env: JsonObject | null): Promise<TaskRecord> {
    const task = await this.visibleTask(caller, id);
    return this.changeTask(task, { type: 'rerun-requested', task: task.id, reset, env });
  }

  async skipTask(caller: Caller, id: string): Promise<TaskRecord> {
    const task = await this.visibleTask(caller, id);
    return this.changeTask(task, { type: 'skip-requested', task: task.id });
  }

  async updateAction(
    caller: Caller,
    id: string,
    to: 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'PAUSED' | 'RUNNING',
    output: Json,
  ): Promise<ActionRecord> {
    const { reader } = this.options.store;
    const row: { project_id: string } | undefined = await reader('action_executions')
      .where('id', id)
      .first('project_id');
    const action = await findAction(reader, id);
    if (action === undefined || row === undefined || !(caller.isAdmin || row.project_id === caller.projectId)) {
      throw notFound('ActionExecution', id);
    }
    if (action.executionId === null) return this.standAlone.update(action, to, output);
    const event: Event =
      to === 'PAUSED' || to === 'RUNNING'
        ? { type: 'action-updated', action: action.id, to }
        : { type: 'action-completed', action: action.id, attempt: null, result: resultFor(to, output) };
    const outcome = await this.conductor.submit(action.executionId, event, { lane: 'api' });
    accept(outcome, () => notFound('ActionExecution', id));
    return (await findAction(reader, id)) ?? action;
  }

  runAction(caller: Caller, request: RunActionRequest): Promise<ActionRecord | UnsavedAction> {
    return this.standAlone.run(caller, request);
  }

  async deleteAction(caller: Caller, id: string): Promise<void> {
    const { store } = this.options;
    const row: { project_id: string; task_execution_id: string | null; state: ActionRecord['state'] } | undefined =
      await store.reader('action_executions').where('id', id).first('project_id', 'task_execution_id', 'state');
    if (row === undefined || !(caller.isAdmin || row.project_id === caller.projectId))
      throw notFound('ActionExecution', id);
    if (row.task_execution_id !== null)
      throw new EngineError('NOT_ALLOWED', 'Only ad-hoc action execution can be deleted.');
    if (!isFinal(row.state)) throw new EngineError('NOT_ALLOWED', 'Only completed action execution can be deleted.');
    await store.writer('action_executions').where('id', id).delete();
  }

  // ---- EnginePort: what executors call

  claim(
    executorId: string,
    actions: readonly { readonly id: string; readonly attempt: number }[],
  ): Promise<ReadonlySet<string>> {
    const { store, clock } = this.options;
    return store.writer.transaction((trx: Knex) => claimActions(trx, executorId, actions, clock.now()));
  }

  async report(report: ActionReport): Promise<void> {
    const executionId =
      this.sentActions.get(report.actionExecutionId) ?? (await this.executionOf(report.actionExecutionId));
    if (executionId === null) {
      await this.standAlone.report(report);
      return;
    }
    await this.conductor.submit(executionId, {
      type: 'action-completed',
      action: report.actionExecutionId as ActionRecord['id'],
      attempt: report.attempt,
      result: report.result,
    });
    this.sentActions.delete(report.actionExecutionId);
  }

  async heartbeat(executorId: string, actionExecutionIds: readonly string[]): Promise<void> {
    const { store, clock } = this.options;
    if (actionExecutionIds.length === 0) return;
    await store.writer.transaction((trx: Knex) => heartbeatActions(trx, executorId, actionExecutionIds, clock.now()));
  }

  // ---- after a commit

  private carryOut(effects: readonly Effects[]): void {
    for (const effect of effects) {
      for (const change of effect.changes) {
        if (change.type === 'timer-set') this.timers.add(change.timer);
        if (change.type === 'timer-done') this.timers.remove(change.id);
        if (change.type === 'action-updated' && change.patch.state !== undefined && isFinal(change.patch.state))
          this.sentActions.delete(change.id);
      }
      this.carryOutCommands(effect);
    }
  }

  private carryOutCommands({ view, commands, outbox }: Effects): void {
    const messages: ExecutorMessage[] = [];
    let sent = 0;
    for (const command of commands) {
      switch (command.type) {
        case 'run-action': {
          const action = view.actions.get(command.action);
          if (action === undefined || isFinal(action.state)) break;
          this.sentActions.set(action.id, view.record.id);
          messages.push(runMessage(action, view.record));
          break;
        }
        case 'start-child':
          this.tell(command.child, { type: 'workflow-started' });
          break;
        case 'send':
          this.tell(command.to, command.event, outbox[sent++]?.id ?? null);
          break;
        case 'stop-action':
          messages.push({
            type: 'stop-action',
            actionExecutionId: command.action,
            reason: command.reason,
            receipt: outbox[sent++]?.id ?? null,
          });
          break;
        default:
          break;
      }
    }
    if (messages.length > 0) this.send(messages);
  }

  private send(messages: readonly ExecutorMessage[]): void {
    this.options.queue.send(messages).catch((error: unknown) => {
      this.options.log.error('Messages could not be sent; their rows are found again at the next start', { error });
    });
  }

  private tell(id: ExecutionId, event: Event, outboxId: string | null = null): void {
    if (this.closed) return;
    this.conductor.submit(id, event, { outboxId }).then(
      (outcome) => {
        if (outcome.kind === 'refused')
          this.options.log.debug('An event came too late', {
            executionId: id,
            event: event.type,
            why: outcome.message,
          });
      },
      (error: unknown) =>
        this.options.log.error('An event was lost to a fault', { executionId: id, event: event.type, error }),
    );
  }

  // ---- helpers

  private async executionOf(actionId: string): Promise<ExecutionId | null> {
    const row = await executionOfAction(this.options.store.reader, actionId);
    return (row?.execution_id as ExecutionId | null | undefined) ?? null;
  }

  private async visibleTask(caller: Caller, id: string): Promise<TaskRecord> {
    const row: TaskRow | undefined = await this.options.store.reader('task_executions').where('id', id).first();
    if (row === undefined || !(caller.isAdmin || row.project_id === caller.projectId)) {
      throw new EngineError('NOT_FOUND', `Task execution not found [id=${id}]`);
    }
    return taskFromRow(row);
  }

  private async changeTask(task: TaskRecord, event: Event): Promise<TaskRecord> {
    let answer: TaskRecord | null = null;
    const outcome = await this.conductor.submit(task.executionId, event, {
      lane: 'api',
      onDecided: (view: ExecutionView) => {
        answer = view.tasks.get(task.id as TaskExecutionId) ?? null;
      },
    });
    accept(outcome, () => new EngineError('NOT_FOUND', `Task execution not found [id=${task.id}]`));
    return answer ?? task;
  }

  private async workflowFor(caller: Caller, request: StartExecution): Promise<FoundWorkflow> {
    const { reader } = this.options.store;
    const identifier = request.workflowId ?? request.workflowName;
    if (identifier === null || identifier === '') {
      throw new EngineError(
        'INVALID_INPUT',
        'Workflow ID or workflow name must be provided. Workflow ID is recommended.',
      );
    }
    const row =
      (await findDefinitionById(reader, 'workflows', caller, identifier)) ??
      (await findDefinition(reader, 'workflows', caller, { name: identifier, namespace: request.workflowNamespace }));
    if (row === undefined) {
      throw new EngineError(
        'NOT_FOUND',
        `Workflow not found [workflow_identifier=${identifier}, namespace=${request.workflowNamespace}]`,
      );
    }
    return this.finder.toFound(row);
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

  private envForStart(now: number, environment: JsonObject | null): Env {
    return {
      now,
      newId,
      catalogue: this.options.catalogue,
      findAction: () => null,
      findWorkflow: () => null,
      findEnvironment: () => environment,
      findRows: () => [],
      executorId: null,
      takeStep: () => true,
      limits: this.limits,
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

function resultFor(to: 'SUCCESS' | 'ERROR' | 'CANCELLED', output: Json): ActionResult {
  if (to === 'SUCCESS') return { kind: 'success', output };
  // What a person hands in with a cancel is ignored (spec/rest-api.md §4.3).
  if (to === 'CANCELLED') return { kind: 'cancelled', output: null };
  const isEmpty =
    output === null || output === '' || (isJsonObject(output) && Object.keys(copyObject(output)).length === 0);
  return { kind: 'error', output: isEmpty ? 'Unknown error' : output, retryable: false };
}

function visible(caller: Caller, record: ExecutionRecord | undefined, id: string): ExecutionRecord {
  if (record === undefined || !(caller.isAdmin || record.projectId === caller.projectId))
    throw notFound('WorkflowExecution', id);
  return record;
}

function accept(
  outcome: Outcome,
  missing: () => EngineError = () => new EngineError('INTERNAL', 'the execution vanished'),
): void {
  if (outcome.kind === 'missing') throw missing();
  if (outcome.kind === 'refused') throw new EngineError(outcome.code, outcome.message);
}

function notFound(entity: string, id: string): EngineError {
  return new EngineError('NOT_FOUND', `${entity} not found [id=${id}]`);
}

function invalid(message: string): EngineError {
  return new EngineError('INVALID_INPUT', message);
}

function userErrors<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (isUserFailure(error)) throw new EngineError('INVALID_INPUT', error.message, { cause: error });
    throw error;
  }
}
