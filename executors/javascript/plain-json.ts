import { randomUUID } from 'node:crypto';
import type { Json } from '../../dsl/json.ts';
import { Float } from '../../dsl/yaql/numbers.ts';

/** Data for JavaScript as the reference hands it to scripts: JSON text whose numbers are all the script's own numbers. */
export function plainJson(value: Json): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (item instanceof Float) return item.value;
    return typeof item === 'bigint' ? Number(item) : item;
  });
}

/**
 * Any value of JavaScript as JSON text: nothing and functions become null, bigints integers of any size.
 *
 * @throws TypeError for a value that contains itself.
 */
export function jsonOfValue(value: unknown): string {
  const mark = `bigint:${randomUUID()}:`;
  const text: string | undefined = JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? `${mark}${item}` : item,
  );
  return withBigints(text ?? 'null', mark);
}

/** Turns texts that stand for bigints, the mark and then the digits, into these digits. */
export function withBigints(json: string, mark: string): string {
  return json.includes(mark) ? json.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1') : json;
}
