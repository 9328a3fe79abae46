import { compare, truth } from './python.ts';
import type { Runtime } from './runtime.ts';

/** `sorted(values, key=…, reverse=…)`: stable, also in reverse. @throws TypeError for values without an order. */
export function sortValues(
  values: Iterable<unknown>,
  key: (item: unknown) => unknown,
  reverse: unknown,
  runtime: Runtime,
): unknown[] {
  const isReverse = truth(reverse);
  const keyed = [...values].map((item) => ({ item, key: key(item) }));
  runtime.spend(keyed.length);
  keyed.sort((a, b) => (isReverse ? compare(b.key, a.key) : compare(a.key, b.key)) || 0);
  return keyed.map(({ item }) => item);
}
