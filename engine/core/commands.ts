import { evaluate, evaluateRecursively, isTruthy } from '../../dsl/expressions/index.ts';
import { isJsonObject, type Json, stringifyJson } from '../../dsl/json.ts';
import type { Transition } from '../../dsl/spec/types.ts';
import type { Draft } from './draft.ts';
import type { TaskRecord, TriggerEvent } from './model.ts';
import { scopeOf } from './scope.ts';

/** What a controller wants to happen next (spec/engine.md §4). */
export type ControlCommand =
  | {
      readonly type: 'task';
      readonly task: string;
      readonly from: TaskRecord | null;
      readonly event: TriggerEvent | null;
    }
  | { readonly type: 'noop' }
  | { readonly type: 'fail' | 'succeed' | 'pause'; readonly message: string | null };

export interface FiredTransitions {
  readonly commands: readonly ControlCommand[];
  /** Whether some transition of on-error fired, a `noop` included. */
  readonly errorHandled: boolean;
}

/**
 * The transitions of a finished task whose conditions hold, in order (spec/engine.md E-4.1, E-8.1).
 * @throws ExpressionError from a condition or a message
 */
export function firedTransitions(draft: Draft, task: TaskRecord): FiredTransitions {
  const spec = draft.taskSpec(task.name);
  const fire = (event: TriggerEvent, transitions: readonly Transition[]) => fired(draft, task, event, transitions);
  switch (task.state) {
    case 'SUCCESS':
      return {
        commands: [...fire('on-success', spec.onSuccess), ...fire('on-complete', spec.onComplete)],
        errorHandled: false,
      };
    case 'ERROR': {
      const onError = fire('on-error', spec.onError);
      return { commands: [...onError, ...fire('on-complete', spec.onComplete)], errorHandled: onError.length > 0 };
    }
    case 'SKIPPED': {
      const onSkip = fire('on-skip', spec.onSkip);
      return { commands: onSkip.length > 0 ? onSkip : fire('on-success', spec.onSuccess), errorHandled: false };
    }
    default:
      return { commands: [], errorHandled: false };
  }
}

function fired(
  draft: Draft,
  task: TaskRecord,
  event: TriggerEvent,
  transitions: readonly Transition[],
): ControlCommand[] {
  if (transitions.length === 0) return [];
  const scope = scopeOf(draft, { task, context: draft.outboundOf(task) });
  return transitions
    .filter((transition) => transition.condition === null || isTruthy(evaluate(transition.condition, scope)))
    .map((transition): ControlCommand => {
      if (transition.command === null) return { type: 'task', task: transition.to, from: task, event };
      if (transition.command === 'noop') return { type: 'noop' };
      const message = transition.params.msg;
      return {
        type: transition.command,
        message: message === undefined ? null : messageText(evaluateRecursively(message, scope)),
      };
    });
}

/** A mapping is stored as JSON text (spec/engine.md §15). */
function messageText(value: Json): string | null {
  if (value === null) return null;
  if (typeof value === 'string') return value;
  if (isJsonObject(value) || Array.isArray(value)) return stringifyJson(value);
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}
