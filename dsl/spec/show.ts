import { isJsonObject, type Json } from '../json.ts';
import { Float } from '../yaql/numbers.ts';

/** A value as Python prints it, cut to a length that fits a message. */
export function show(value: Json, limit = 80): string {
  const text = write(value, limit);
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

function write(value: Json, limit: number): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return quote(value);
  if (value instanceof Float) return value.toString();
  if (Array.isArray(value)) return `[${joined(value as readonly Json[], limit, (item) => write(item, limit))}]`;
  if (isJsonObject(value)) {
    return `{${joined(Object.entries(value), limit, ([key, item]) => `${quote(key)}: ${write(item, limit)}`)}}`;
  }
  return String(value);
}

function joined<T>(items: readonly T[], limit: number, each: (item: T) => string): string {
  let text = '';
  for (const [i, item] of items.entries()) {
    text += (i === 0 ? '' : ', ') + each(item);
    if (text.length > limit) break;
  }
  return text;
}

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r');
  return `${mark}${mark === "'" ? body.replaceAll("'", "\\'") : body}${mark}`;
}
