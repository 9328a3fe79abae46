import { ExpressionError } from '../../dsl/errors.ts';

/** Something in the user's definition or data that fails a task or an execution. Everything else that is thrown is our bug. */
export class UserFailure extends Error {
  override readonly name = 'UserFailure';
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
): UserFailure {
  const parts = [
    ...(missing.length > 0 ? [`missing=${nameList(missing)}`] : []),
    ...(unexpected.length > 0 ? [`unexpected=${nameList(unexpected)}`] : []),
  ];
  return new UserFailure(`Invalid input [name=${name}, class=${kind}, ${parts.join(', ')}]`);
}
