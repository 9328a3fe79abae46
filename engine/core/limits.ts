import type { Json, JsonObject } from '../../dsl/json.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import { UserFailure } from './failure.ts';

/**
 * The field size limit of the reference (spec/engine.md §26): JSON text longer than `limit` characters is refused.
 * @throws UserFailure `Field size limit exceeded […]`
 */
export function checkFieldSize(entity: string, field: string, value: JsonObject | null, limit: number): void {
  if (limit < 0 || value === null) return;
  const left = measure(value, limit);
  if (left >= 0) return;
  const kilobytes = Math.floor((limit - left) / 1024);
  throw new UserFailure(
    `Field size limit exceeded [class=${entity}, field=${field}, size=${kilobytes}KB, limit=${Math.floor(limit / 1024)}KB]`,
  );
}

/** What is left of the budget after the JSON text of the value; stops soon after the budget is used up. */
function measure(value: Json, budget: number): number {
  if (budget < 0) return budget;
  if (typeof value === 'string') return budget - value.length - 2;
  if (value === null || typeof value === 'boolean') return budget - 4;
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof Float)
    return budget - String(value).length;
  let left = budget - 2;
  if (Array.isArray(value)) {
    for (const item of value) {
      left = measure(item, left - 1);
      if (left < 0) return left;
    }
    return left;
  }
  for (const [key, item] of Object.entries(value)) {
    left = measure(item, left - key.length - 4);
    if (left < 0) return left;
  }
  return left;
}
