import { evaluate, type ExpressionScope, hasExpression, isTruthy } from '../../dsl/expressions/index.ts';
import type { Json } from '../../dsl/json.ts';
import type { RetrySpec, TaskSpec } from '../../dsl/spec/types.ts';
import type { Draft } from './draft.ts';
import { UserFailure } from './failure.ts';
import type { TaskExecutionId, TaskRecord, TimerKind } from './model.ts';
import { dropChildren, dropSource } from './reopen.ts';
import { resultText } from './results.ts';
import { scopeOf } from './scope.ts';

/**
 * Policies before a task starts, in the reference's order (spec/dsl.md D-10.2, spec/engine.md §10).
 * The task is RUNNING when this is called; afterwards its state says whether its actions may be scheduled.
 * @throws UserFailure, ExpressionError
 */
export function beforeStart(draft: Draft, id: TaskExecutionId, spec: TaskSpec): void {
  const { policies } = spec;
  if (!BEFORE_START.some((name) => policies[name] !== null)) return;
  const scope = scopeOf(draft, { task: draft.task(id), context: draft.inboundOf(id) });
  pauseBefore(draft, id, spec, scope);
  waitBefore(draft, id, spec, scope);
  startTimeout(draft, id, spec, scope);
  limitConcurrency(draft, id, spec, scope);
}

const BEFORE_START = ['pauseBefore', 'waitBefore', 'timeout', 'concurrency'] as const;

function pauseBefore(draft: Draft, id: TaskExecutionId, spec: TaskSpec, scope: ExpressionScope): void {
  const task = draft.task(id);
  if (task.runtimeContext.pause_before_policy?.skip === true) return;
  if (spec.policies.pauseBefore === null) return;
  const value = valueOf(spec.policies.pauseBefore, scope);
  if (typeof value !== 'boolean') throw wrongType('PauseBeforePolicy', `${shown(value)} is not of type 'boolean'`);
  if (!value) return;
  draft.updateTask(id, {
    state: 'IDLE',
    stateInfo: "Set by 'pause-before' policy",
    runtimeContext: { ...task.runtimeContext, pause_before_policy: { skip: true } },
  });
}

function waitBefore(draft: Draft, id: TaskExecutionId, spec: TaskSpec, scope: ExpressionScope): void {
  const task = draft.task(id);
  if (task.runtimeContext.wait_before_policy !== undefined || task.runtimeContext.pause_before_policy?.skip === true)
    return;
  const delay = seconds(spec.policies.waitBefore, 'WaitBeforePolicy', scope);
  if (delay === 0) return;
  draft.updateTask(id, {
    state: 'DELAYED',
    stateInfo: `Delayed by 'wait-before' policy [delay=${delay}]`,
    runtimeContext: { ...task.runtimeContext, wait_before_policy: { skip: true } },
  });
  setTimer(draft, id, 'wait-before', delay);
}

function startTimeout(draft: Draft, id: TaskExecutionId, spec: TaskSpec, scope: ExpressionScope): void {
  const limit = seconds(spec.policies.timeout, 'TimeoutPolicy', scope);
  if (limit === 0 || draft.timersOf(id).some((timer) => timer.kind === 'timeout')) return;
  setTimer(draft, id, 'timeout', limit);
}

function limitConcurrency(draft: Draft, id: TaskExecutionId, spec: TaskSpec, scope: ExpressionScope): void {
  const limit = seconds(spec.policies.concurrency, 'ConcurrencyPolicy', scope);
  if (limit === 0) return;
  const task = draft.task(id);
  draft.updateTask(id, { runtimeContext: { ...task.runtimeContext, concurrency: limit } });
}

/** The time limit that an executor gets, in seconds; null for none. */
export function actionTimeout(draft: Draft, task: TaskRecord, spec: TaskSpec): number | null {
  if (spec.policies.timeout === null) return null;
  const limit = seconds(
    spec.policies.timeout,
    'TimeoutPolicy',
    scopeOf(draft, { task, context: draft.inboundOf(task.id) }),
  );
  return limit === 0 ? null : limit;
}

/**
 * Policies after a completion, in the reference's order: wait-after, fail-on, retry. They may move the task to DELAYED or to
 * another final state. `mayRetry` is false for a time-out, which is final (spec/engine.md §30 item 2).
 * @throws UserFailure, ExpressionError
 */
export function afterCompletion(draft: Draft, id: TaskExecutionId, spec: TaskSpec, mayRetry: boolean): void {
  const { policies } = spec;
  if (policies.waitAfter === null && policies.failOn === null && policies.retry === null) return;
  if (waitAfter(draft, id, spec, mayRetry)) return;
  failOn(draft, id, spec);
  if (policies.retry !== null && mayRetry) retry(draft, id, policies.retry);
}

function waitAfter(draft: Draft, id: TaskExecutionId, spec: TaskSpec, mayRetry: boolean): boolean {
  const task = draft.task(id);
  if (spec.policies.waitAfter === null || task.runtimeContext.wait_after_policy !== undefined) return false;
  const delay = seconds(
    spec.policies.waitAfter,
    'WaitAfterPolicy',
    scopeOf(draft, { task, context: draft.inboundOf(id) }),
  );
  if (delay === 0) return false;
  draft.updateTask(id, {
    state: 'DELAYED',
    stateInfo: `Delayed by 'wait-after' policy [delay=${delay}]`,
    finishedAt: null,
    runtimeContext: {
      ...task.runtimeContext,
      wait_after_policy: {
        skip: true,
        state: task.state,
        state_info: task.stateInfo,
        ...(mayRetry ? {} : { is_final: true }),
      },
    },
  });
  setTimer(draft, id, 'wait-after', delay);
  return true;
}

function failOn(draft: Draft, id: TaskExecutionId, spec: TaskSpec): void {
  const task = draft.task(id);
  if (spec.policies.failOn === null) return;
  const value = valueOf(spec.policies.failOn, scopeOf(draft, { task, context: draft.inboundOf(id) }));
  if (task.state === 'SUCCESS' && isTruthy(value)) {
    draft.updateTask(id, { state: 'ERROR', stateInfo: "Failed by 'fail-on' policy" });
  }
}

/** spec/engine.md E-10.1. Both conditions are always evaluated: an error in either fails the task by force. */
function retry(draft: Draft, id: TaskExecutionId, policy: RetrySpec): void {
  const task = draft.task(id);
  const scope = scopeOf(draft, { task, context: draft.outboundOf(task) });
  const count = seconds(policy.count, 'RetryPolicy', scope);
  const delay = seconds(policy.delay, 'RetryPolicy', scope);
  if (count === 0) return;
  const goOn = policy.continueOn === null ? null : isTruthy(evaluate(policy.continueOn, scope));
  const stop = policy.breakOn === null ? false : isTruthy(evaluate(policy.breakOn, scope));
  const done = task.runtimeContext.retry_task_policy?.retry_no ?? 0;
  const again =
    (task.state === 'ERROR' || (task.state === 'SUCCESS' && goOn !== null)) &&
    done < count &&
    !(task.state === 'ERROR' && stop) &&
    goOn !== false;
  const runtime = task.runtimeContext;
  if (!again) {
    if (runtime.retry_task_policy === undefined)
      draft.updateTask(id, { runtimeContext: { ...runtime, retry_task_policy: {} } });
    return;
  }
  dropChildren(draft, id);
  dropSource(draft, task);
  const isJoin = draft.spec.type === 'direct' && draft.taskSpec(task.name).join !== null;
  draft.updateTask(id, {
    items: null,
    // A join waits as such: after the delay its condition must hold again (spec/engine.md E-10.3).
    state: isJoin ? 'WAITING' : 'DELAYED',
    stateInfo: `Delayed by 'retry' policy [delay=${delay}]`,
    finishedAt: null,
    runtimeContext: { ...runtime, retry_task_policy: { retry_no: done + 1 } },
  });
  setTimer(draft, id, 'retry', delay);
}

function setTimer(draft: Draft, id: TaskExecutionId, kind: TimerKind, delaySeconds: number): void {
  draft.setTimer({
    id: draft.env.newId(),
    executionId: draft.record.id,
    taskExecutionId: id,
    kind,
    dueAt: draft.env.now + delaySeconds * 1000,
    delaySeconds,
  });
}

/** A delay whose timer went with the end of the execution (engine/core/execution.ts): after a rerun it is over at once. */
export function resumeDelay(draft: Draft, task: TaskRecord): void {
  const kind = DELAYS.find((delay) => task.stateInfo?.startsWith(`Delayed by '${delay}' policy`) === true);
  if (kind === undefined || draft.timersOf(task.id).some((timer) => timer.kind === kind)) return;
  setTimer(draft, task.id, kind, 0);
}

const DELAYS = ['wait-before', 'wait-after', 'retry'] as const;

/** The timers of a task that must not fire any more. */
export function dropTimers(draft: Draft, id: TaskExecutionId, kinds?: readonly TimerKind[]): void {
  for (const timer of draft.timersOf(id))
    if (kinds === undefined || kinds.includes(timer.kind)) draft.removeTimer(timer.id);
}

function seconds(value: number | string | null, policy: string, scope: ExpressionScope): number {
  if (value === null) return 0;
  const result = valueOf(value, scope);
  if (typeof result !== 'number' || !Number.isInteger(result))
    throw wrongType(policy, `${shown(result)} is not of type 'integer'`);
  if (result < 0) throw wrongType(policy, `${result} is less than the minimum of 0`);
  return result;
}

function valueOf(value: Json, scope: ExpressionScope): Json {
  return typeof value === 'string' && hasExpression(value) ? evaluate(value, scope) : value;
}

function shown(value: Json): string {
  return typeof value === 'string' ? `'${value}'` : (resultText(value) ?? 'None');
}

function wrongType(policy: string, message: string): UserFailure {
  return new UserFailure(
    `Invalid data type in ${policy}: ${message}. Value(s) can be shown after YAQL evaluating. If you use YAQL here, please correct it.`,
  );
}
