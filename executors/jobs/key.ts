import { createHash } from 'node:crypto';

/** The identity of a job towards servers that take one: the first 32 hex digits of SHA-256 of the action execution's id (spec/spark.md §8.5). */
export function keyOf(actionExecutionId: string): string {
  return createHash('sha256').update(actionExecutionId).digest('hex').slice(0, 32);
}
