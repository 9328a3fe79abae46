import { EngineError } from '../engine/errors.ts';
import type { Engine } from '../engine/facade.ts';

/**
 * An engine whose decisions are waited for so long and no longer. It never gives an event up while the database cannot be
 * written, but a client has to hear of it. What it was asked for may still happen: `id` makes a start repeatable.
 *
 * Running an action takes as long as the action takes, and so has no bound.
 *
 * @returns an engine that also rejects with EngineError UNAVAILABLE.
 */
export function patient(engine: Engine, milliseconds: number): Engine {
  const within = <T>(answer: Promise<T>): Promise<T> => inTime(answer, milliseconds);
  return {
    startExecution: (caller, request) => within(engine.startExecution(caller, request)),
    updateExecution: (caller, id, request) => within(engine.updateExecution(caller, id, request)),
    deleteExecution: (caller, id, force) => within(engine.deleteExecution(caller, id, force)),
    rerunTask: (caller, id, reset, env) => within(engine.rerunTask(caller, id, reset, env)),
    skipTask: (caller, id) => within(engine.skipTask(caller, id)),
    updateAction: (caller, id, to, output) => within(engine.updateAction(caller, id, to, output)),
    runAction: (caller, request) => engine.runAction(caller, request),
    deleteAction: (caller, id) => within(engine.deleteAction(caller, id)),
  };
}

function inTime<T>(answer: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new EngineError(
            'UNAVAILABLE',
            `The engine did not answer within ${milliseconds / 1000} s. The request was not lost: it may still be carried out.`,
          ),
        ),
      milliseconds,
    );
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
