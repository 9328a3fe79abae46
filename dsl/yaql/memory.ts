import { Float } from './numbers.ts';
import { PyDict, dictSize, isDict } from './dicts.ts';
import { PySet } from './sets.ts';
import { PyList } from './values.ts';

/** About what CPython's `sys.getsizeof` says: the value alone, without what it refers to. */
export function sizeOf(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return 49 + value.length * (/^[\0-\xff]*$/.test(value) ? 1 : 2);
    case 'bigint':
      return 24 + Math.ceil(value.toString(16).length / 7.5) * 4;
    case 'object':
      return value === null ? 16 : sizeOfObject(value);
    default:
      return 28;
  }
}

/** The size of a list, set or dict in the making, by the number of its items. */
export function sizeOfCollection(kind: 'list' | 'set' | 'dict', length: number): number {
  if (kind === 'list') return 56 + 8 * length;
  if (length === 0) return kind === 'set' ? 216 : 64;
  // Hash tables grow by powers of two.
  const slots = 2 ** Math.ceil(Math.log2(Math.max(8, length * 1.5)));
  return kind === 'set' ? (length < 5 ? 216 : 216 + slots * 16 * 2) : 104 + slots * 16;
}

function sizeOfObject(value: object): number {
  if (Array.isArray(value))
    return value instanceof PyList ? sizeOfCollection('list', value.length) : 40 + 8 * value.length;
  if (value instanceof Float) return 24;
  if (value instanceof PySet) return sizeOfCollection('set', value.size);
  // A frozen dict is a small object around the dict.
  if (value instanceof PyDict && value.mutable) return sizeOfCollection('dict', dictSize(value));
  return isDict(value) ? 48 : 64;
}
