import type { Json } from '../../dsl/json.ts';

/** About how many bytes a value takes as text or in memory. */
export function approximateBytes(value: Json | undefined): number {
  if (value === undefined || value === null) return 4;
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object') return 8;
  let bytes = 16;
  if (Array.isArray(value)) {
    for (const item of value) bytes += approximateBytes(item) + 1;
    return bytes;
  }
  for (const key in value) bytes += key.length + 4 + approximateBytes((value as Readonly<Record<string, Json>>)[key]);
  return bytes;
}
