import { ExpressionError } from '../../dsl/errors.ts';
import type { Env } from './env.ts';

/** Something in the user's definition or data that fails a task or an execution. Everything else that is thrown is our bug. */
export class UserFailure extends Error {
  override readonly name = 'UserFailure';
}

/** The call of an unknown action, or one with wrong parameters. */
export class WrongCall extends UserFailure {}

/** The call, or what is wrong with it where that is to fail the task alone. @throws WrongCall where it is not */
export function graceful<T>({ env }: { readonly env: Pick<Env, 'limits'> }, call: () => T): T | WrongCall {
  try {
    return call();
  } catch (error) {
    if (error instanceof WrongCall && env.limits.wrongCalls === 'graceful') return error;
    throw error;
  }
}

export function isUserFailure(error: unknown): error is UserFailure | ExpressionError {
  return error instanceof UserFailure || error instanceof ExpressionError;
}

/** `['a', 'b']`, as the reference prints names in its messages. */
export function nameList(names: readonly string[]): string {
  return `[${names.map((name) => `'${name}'`).join(', ')}]`;
}

/** spec/engine.md §3 step 3, E-7.1. */
export function invalidInput(
  name: string,
  kind: string,
  missing: readonly string[],
  unexpected: readonly string[],
): WrongCall {
  const parts = [
    ...(missing.length > 0 ? [`missing=${nameList(missing)}`] : []),
    ...(unexpected.length > 0 ? [`unexpected=${nameList(unexpected)}`] : []),
  ];
  return new WrongCall(`Invalid input [name=${name}, class=${kind}, ${parts.join(', ')}]`);
}
