import { type Dict, dictEntries, PyDict } from '../../yaql/dicts.ts';
import { MappingView } from '../../yaql/mapping-view.ts';
import { isPlainDict, PyTuple } from '../../yaql/values.ts';
import { typeError } from './errors.ts';
import { JinjaObject, Markup, Undefined } from './objects.ts';
import { canIterate, iterate, typeName } from './python.ts';
import type { Runtime } from './runtime.ts';

/**
 * The value as data: markup as text, tuples, generators and views as lists. Parts that are data already are shared, not copied.
 *
 * @throws UndefinedError, TypeError for objects that are no data, such as functions.
 */
export function plainValue(value: unknown, runtime: Runtime): unknown {
  if (typeof value !== 'object' || value === null) return value;
  runtime.countMember();
  if (value instanceof JinjaObject) return plainObject(value, runtime);
  if (Array.isArray(value)) return plainList(value, runtime);
  if (value instanceof PyDict) return plainDict(value, runtime);
  if (value instanceof MappingView || !isPlainDict(value)) return value;
  return plainRecord(value, runtime);
}

function plainObject(value: JinjaObject, runtime: Runtime): unknown {
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) value.fail();
  if (!canIterate(value)) throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
  const items: unknown[] = [];
  for (const item of iterate(value)) {
    runtime.checkSize(items.length);
    items.push(plainValue(item, runtime));
  }
  return items;
}

function plainList(list: readonly unknown[], runtime: Runtime): readonly unknown[] {
  const items = list.map((item) => plainValue(item, runtime));
  const isData = !(list instanceof PyTuple) && items.every((item, i) => item === list[i]);
  return isData ? list : items;
}

function plainDict(dict: PyDict, runtime: Runtime): unknown {
  const entries = [...dictEntries(dict)].map(
    ([key, value]) => [plainValue(key, runtime), plainValue(value, runtime)] as const,
  );
  return new PyDict(entries);
}

function plainRecord(record: Dict, runtime: Runtime): unknown {
  const entries = [...dictEntries(record)];
  const plain = entries.map(([key, value]) => [key, plainValue(value, runtime)] as const);
  return plain.every(([, value], i) => value === entries[i]?.[1]) ? record : new PyDict(plain);
}
