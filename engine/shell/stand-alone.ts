import type { Knex } from 'knex';
import { LookupNeeded } from '../../dsl/expressions/host.ts';
import { evaluateRecursively, type ExpressionScope } from '../../dsl/expressions/index.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionCatalogue, ActionReport, ActionResult, ExecutorMessage } from '../contract.ts';
import { type ActionCall, resolveCall } from '../core/action-calls.ts';
import type { Env, Limits } from '../core/env.ts';
import { isUserFailure } from '../core/failure.ts';
import { checkFieldSize } from '../core/limits.ts';
import { type ActionExecutionId, type ActionRecord, isFinal, type Lookup } from '../core/model.ts';
import { EngineError } from '../errors.ts';
import type { Caller, RunActionRequest, UnsavedAction } from '../facade.ts';
import { newId } from '../ids.ts';
import type { Store } from '../store/connection.ts';
import type { DefinitionFinder } from '../store/definition-finder.ts';
import { LargeValues } from '../store/large-values.ts';
import { findOwnedAction } from '../store/action-claims.ts';
import { letGoOfActions, wishStop } from '../store/delete-executions.ts';
import { actionPatchToRow, actionToRow } from '../store/tables.ts';
import { insertMany } from '../store/bulk.ts';
import type { Clock } from './clock.ts';
import { runMessage } from './messages.ts';

export interface StandAloneOptions {
  readonly store: Store;
  readonly finder: DefinitionFinder;
  readonly catalogue: ActionCatalogue;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly executorId: string | null;
  readonly send: (messages: readonly ExecutorMessage[]) => void;
}

/** Actions without a workflow (spec/engine.md E-20.2, spec/rest-api.md §3.9). */
export class StandAloneActions {
  private readonly options: StandAloneOptions;
  /** Who waits for the result of an action, by its id. */
  private readonly waiters = new Map<string, Waiter>();

  constructor(options: StandAloneOptions) {
    this.options = options;
  }

  async run(caller: Caller, request: RunActionRequest): Promise<ActionRecord | UnsavedAction> {
    const call = await this.resolve(caller, request);
    const isAsync = call.definition.kind === 'async';
    if (isAsync && request.runSync) {
      throw new EngineError('INVALID_INPUT', 'Action does not support synchronous execution.');
    }
    const action = this.record(request, call);
    // A job's record must be able to outlive this process, so it is always stored.
    const isStored = request.saveResult || isAsync || call.definition.kind === 'job';
    if (!isStored) return this.runUnsaved(caller, action, call);
    await this.insert(caller, action);
    const waiting = request.runSync ? this.wait(action) : null;
    const immediate = this.runPure(call);
    if (immediate === null) {
      this.options.send([runMessage(action, { workflowName: null, projectId: caller.projectId })]);
    } else {
      const report = this.report({ actionExecutionId: action.id, attempt: action.attempt, result: immediate });
      if (request.runSync) await report;
      else report.catch(() => {});
    }
    if (waiting !== null) await waiting;
    return waiting === null ? action : this.stored(action.id);
  }

  /** Takes a result; false when the action is none of these. */
  async report(report: ActionReport): Promise<boolean> {
    const waiter = this.waiters.get(report.actionExecutionId);
    if (waiter?.unsaved === true) {
      waiter.resolve(report.result);
      return true;
    }
    const action = await this.find(report.actionExecutionId);
    if (action === undefined) return false;
    if (action.executionId !== null) return false;
    if (!isFinal(action.state) && action.attempt === report.attempt) {
      await this.finish(action, report.result);
    }
    waiter?.resolve(report.result);
    return true;
  }

  /** Ends or moves a stored one on behalf of a person. @throws EngineError INVALID_STATE */
  async update(
    action: ActionRecord,
    to: 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'PAUSED' | 'RUNNING',
    output: Json,
  ): Promise<ActionRecord> {
    if (isFinal(action.state)) throw new EngineError('INVALID_STATE', `Action ${action.id} is already completed`);
    if (to === 'PAUSED' || to === 'RUNNING') {
      if (to === 'PAUSED' && action.kind !== 'async') {
        throw new EngineError(
          'INVALID_STATE',
          'Transition to the PAUSED state is only supported for asynchronous action execution.',
        );
      }
      await this.write(action.id, { state: to });
      return this.stored(action.id);
    }
    const result: ActionResult =
      to === 'SUCCESS'
        ? { kind: 'success', output }
        : to === 'ERROR'
          ? { kind: 'error', output, retryable: false }
          : { kind: 'cancelled', output };
    const receipt = action.kind === 'async' ? null : newId();
    if (!(await this.finish(action, result, receipt))) {
      throw new EngineError('INVALID_STATE', `Action ${action.id} is already completed`);
    }
    if (receipt !== null)
      this.options.send([{ type: 'stop-action', actionExecutionId: action.id, reason: 'cancelled', receipt }]);
    this.waiters.get(action.id)?.resolve(result);
    return this.stored(action.id);
  }

  /** Deletes one that has ended, with what it stored. */
  async delete(action: ActionRecord): Promise<void> {
    const { store, clock, send } = this.options;
    const left = await store.writer.transaction(async (trx: Knex) => {
      const running = await letGoOfActions(trx, [action], clock.now());
      await trx('payloads').where('execution_id', action.id).delete();
      await trx('action_executions').where('id', action.id).delete();
      return running;
    });
    send(left.map((one) => ({ ...one, type: 'stop-action', reason: 'cancelled' })));
  }

  private async resolve(caller: Caller, request: RunActionRequest): Promise<ActionCall> {
    const known = new Map<string, Awaited<ReturnType<DefinitionFinder['findAction']>>>();
    const { clock, catalogue, executorId, limits, finder } = this.options;
    const env: Env = {
      now: clock.now(),
      newId,
      catalogue,
      findAction: (name) => known.get(name),
      findWorkflow: () => null,
      findEnvironment: () => null,
      findRows: () => [],
      executorId,
      takeStep: () => true,
      limits,
    };
    const site = {
      env,
      namespace: request.namespace,
      projectId: caller.projectId,
      workbookName: null,
      scope: (parameters: JsonObject): ExpressionScope => ({ data: parameters, host: NO_EXECUTION }),
    };
    for (;;) {
      try {
        return resolveCall(site, request.name, request.input);
      } catch (error) {
        if (isUserFailure(error)) throw new EngineError('INVALID_INPUT', error.message, { cause: error });
        if (!(error instanceof LookupNeeded)) throw error;
        const lookup = error.lookup as Lookup;
        if (lookup.type !== 'action-definition') throw error;
        known.set(lookup.name, await finder.findAction(lookup.name, lookup.namespace, lookup.projectId));
      }
    }
  }

  private record(request: RunActionRequest, call: ActionCall): ActionRecord {
    const { clock, executorId } = this.options;
    const { definition } = call;
    return {
      id: newId() as ActionExecutionId,
      taskExecutionId: null,
      executionId: null,
      taskName: null,
      name: call.name,
      systemName: definition.name,
      systemInput: call.systemInput,
      wrappers: call.wrappers,
      state: 'RUNNING',
      stateInfo: null,
      input: request.input,
      output: null,
      accepted: false,
      kind: definition.kind,
      index: 0,
      attempt: 1,
      executorId: executorId !== null && !definition.repeatSafe ? executorId : null,
      timeoutSeconds: request.timeoutSeconds,
      target: request.target,
      safeRerun: false,
      description: request.description,
      createdAt: clock.now(),
      updatedAt: clock.now(),
    };
  }

  private runPure(call: ActionCall): ActionResult | null {
    const { catalogue } = this.options;
    const input = call.systemInput ?? call.input;
    if (call.definition.kind !== 'pure' || catalogue.needsWorker(call.definition.name, input)) return null;
    return catalogue.runPure(call.definition.name, input);
  }

  private async runUnsaved(caller: Caller, action: ActionRecord, call: ActionCall): Promise<UnsavedAction> {
    let result = this.runPure(call);
    if (result === null) {
      const waiting = this.wait(action, true);
      const message = runMessage(action, { workflowName: null, projectId: caller.projectId });
      this.options.send([{ ...message, claim: false }]);
      result = await waiting;
      if (result === null) {
        this.options.send([{ type: 'stop-action', actionExecutionId: action.id, reason: 'timeout', receipt: null }]);
        throw new EngineError(
          'UNAVAILABLE',
          `Action ${action.name} gave no result in time. With save_result it runs on its own, and its result is kept.`,
        );
      }
    }
    const { state, output } = finalFields(action, result, this.options.limits);
    return {
      id: null,
      name: action.name,
      state: state === 'SUCCESS' ? 'SUCCESS' : 'ERROR',
      input: action.input,
      output,
    };
  }

  /** Null when nothing came in time: its executor may be gone. */
  private wait(action: ActionRecord, unsaved = false): Promise<ActionResult | null> {
    return new Promise<ActionResult | null>((resolve) => {
      const seconds = action.timeoutSeconds === null ? LONGEST_WAIT_SECONDS : action.timeoutSeconds + GRACE_SECONDS;
      const end = (result: ActionResult | null): void => {
        stopClock();
        this.waiters.delete(action.id);
        resolve(result);
      };
      const stopClock = this.options.clock.after(seconds * 1000, () => end(null));
      this.waiters.set(action.id, { unsaved, resolve: end });
    });
  }

  private async insert(caller: Caller, action: ActionRecord): Promise<void> {
    const owner = { workflowName: null, workflowNamespace: '', projectId: caller.projectId };
    await this.options.store.writer.transaction(async (trx: Knex) => {
      const large = new LargeValues(trx);
      await insertMany(trx, 'action_executions', [
        large.takeFrom('action_executions', actionToRow(action, owner), action.id),
      ]);
      await large.write();
    });
  }

  /** False when somebody else ended it meanwhile. With a receipt, what runs outside is to be told: a message that survives this process. */
  private finish(action: ActionRecord, result: ActionResult, receipt: string | null = null): Promise<boolean> {
    return this.write(action.id, finalFields(action, result, this.options.limits), async (trx) => {
      if (receipt !== null) await wishStop(trx, action, receipt, this.options.clock.now());
    });
  }

  private async write(
    id: string,
    patch: Partial<ActionRecord>,
    besides: (trx: Knex) => Promise<void> = async () => {},
  ): Promise<boolean> {
    const columns = actionPatchToRow({ ...patch, updatedAt: this.options.clock.now() });
    return this.options.store.writer.transaction(async (trx: Knex) => {
      const large = new LargeValues(trx);
      const changed: number = await trx('action_executions')
        .where('id', id)
        .whereNotIn('state', ['SUCCESS', 'ERROR', 'CANCELLED'])
        .update(large.takeFromPatch('action_executions', id, columns, id));
      if (changed === 0) return false;
      await large.write();
      await besides(trx);
      return true;
    });
  }

  private async find(id: string): Promise<ActionRecord | undefined> {
    return (await findOwnedAction(this.options.store.reader, id))?.action;
  }

  private async stored(id: string): Promise<ActionRecord> {
    const action = await this.find(id);
    if (action === undefined) throw new EngineError('NOT_FOUND', `ActionExecution not found [id=${id}]`);
    return action;
  }
}

interface Waiter {
  readonly unsaved: boolean;
  readonly resolve: (result: ActionResult) => void;
}

const NO_EXECUTION: ExpressionScope['host'] = {
  env: () => null,
  execution: () => null,
  executions: () => [],
  task: () => null,
  tasks: () => [],
  global: () => null,
};

// A request may take long, but not for ever; an executor reports a time-out of its own before that.
const LONGEST_WAIT_SECONDS = 3600;
const GRACE_SECONDS = 10;

function finalFields(action: ActionRecord, result: ActionResult, limits: Limits) {
  if (result.kind === 'cancelled')
    return { state: 'CANCELLED' as const, output: { result: result.output }, accepted: true };
  try {
    let value = result.output;
    if (result.kind === 'success') {
      for (const wrapper of action.wrappers)
        value = evaluateRecursively(wrapper.output, { data: value, host: NO_EXECUTION });
    }
    const output = { result: value };
    checkFieldSize('ActionExecution', 'output', output, limits.fieldCharacters);
    return { state: result.kind === 'error' ? ('ERROR' as const) : ('SUCCESS' as const), output, accepted: true };
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    return { state: 'ERROR' as const, output: { result: error.message }, accepted: true };
  }
}
