import { dictEntries, isDict } from '../../yaql/dicts.ts';
import { PyTuple } from '../../yaql/values.ts';
import { compare, listText, repr } from './python.ts';
import { textLength } from './text.ts';

const WIDTH = 80;

/** Python's `pprint.pformat`: one line when it fits into 80 columns, else one member per line; dict keys sorted. */
export function prettyText(value: unknown): string {
  repr(value); // refuses what is too large to print
  return write(value, 0, 0);
}

/** `indent` is the column where the value begins, `reserved` the characters that must follow it on its last line. */
function write(value: unknown, indent: number, reserved: number): string {
  const line = sortedRepr(value);
  if (textLength(line) <= WIDTH - indent - reserved) return line;
  if (isDict(value)) return writeDict(sortedEntries(dictEntries(value)), indent, reserved);
  if (Array.isArray(value)) return writeList(value, indent, reserved);
  return line;
}

function writeList(items: readonly unknown[], indent: number, reserved: number): string {
  const isTuple = items instanceof PyTuple;
  const close = isTuple ? (items.length === 1 ? ',)' : ')') : ']';
  const members = items.map((item, i) => write(item, indent + 1, i === items.length - 1 ? reserved + close.length : 1));
  return (isTuple ? '(' : '[') + members.join(`,\n${' '.repeat(indent + 1)}`) + close;
}

function writeDict(entries: readonly (readonly [unknown, unknown])[], indent: number, reserved: number): string {
  const members = entries.map(([key, value], i) => {
    const name = `${sortedRepr(key)}: `;
    return name + write(value, indent + 1 + textLength(name), i === entries.length - 1 ? reserved + 1 : 1);
  });
  return `{${members.join(`,\n${' '.repeat(indent + 1)}`)}}`;
}

/** `repr` with the keys of dicts in order at every level. */
function sortedRepr(value: unknown): string {
  if (isDict(value)) {
    const entries = sortedEntries(dictEntries(value));
    return `{${entries.map(([key, item]) => `${sortedRepr(key)}: ${sortedRepr(item)}`).join(', ')}}`;
  }
  if (!Array.isArray(value)) return repr(value);
  return listText(value.map(sortedRepr), value instanceof PyTuple);
}

function sortedEntries(entries: Iterable<readonly [unknown, unknown]>): (readonly [unknown, unknown])[] {
  return [...entries].sort(([a], [b]) => {
    try {
      return compare(a, b);
    } catch {
      return 0; // keys of different kinds stay where they are
    }
  });
}
