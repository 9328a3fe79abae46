import { JinjaError, securityError, typeError, valueError } from '../errors.ts';
import { Callable, isOwnList, ownList, type Range } from '../objects.ts';
import { isEqual, iterate, repr, toIndex } from '../python.ts';
import { sortValues } from '../sorting.ts';
import { callArguments } from '../calls.ts';
import { type Method, method, namedMethod } from './method.ts';

/** What lists and tuples share. */
const READING: readonly [string, Method][] = [
  method<readonly unknown[]>('count', ['value'], (self, [value]) => self.filter((item) => isEqual(item, value)).length),
  method<readonly unknown[]>('index', ['value', ['start', 0], ['stop', Infinity]], (self, [value, start, stop]) => {
    const from = clampIndex(start, self.length);
    const to = stop === Infinity ? self.length : clampIndex(stop, self.length);
    for (let i = from; i < to; i++) if (isEqual(self[i], value)) return i;
    throw valueError(`${repr(value)} is not in list`);
  }),
];

export const tupleMethods: ReadonlyMap<string, Method> = new Map(READING);

export const rangeMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  method<Range>('count', ['value'], (self, [value]) => [...self].filter((item) => isEqual(item, value)).length),
  method<Range>('index', ['value'], (self, [value]) => {
    const index = [...self].findIndex((item) => isEqual(item, value));
    if (index < 0) throw valueError(`${repr(value)} is not in range`);
    return index;
  }),
]);

/** Methods that change a list work on those the template made; the data of a workflow never change. */
export const listMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ...READING,
  method<unknown[]>('copy', [], (self) => ownList([...self])),
  method<unknown[]>('append', ['object'], (self, [item], runtime) => {
    runtime.checkSize(self.length + 1);
    changeable(self).push(item);
    return null;
  }),
  method<unknown[]>('extend', ['iterable'], (self, [items], runtime) => {
    const added = [...iterate(items)];
    runtime.checkSize(self.length + added.length);
    runtime.spend(added.length);
    for (const item of added) changeable(self).push(item);
    return null;
  }),
  method<unknown[]>('insert', ['index', 'object'], (self, [index, item]) => {
    changeable(self).splice(clampIndex(index, self.length), 0, item);
    return null;
  }),
  method<unknown[]>('pop', [['index', -1]], (self, [index]) => pop(changeable(self), toIndex(index))),
  method<unknown[]>('remove', ['value'], (self, [value]) => {
    const index = self.findIndex((item) => isEqual(item, value));
    if (index < 0) throw valueError('list.remove(x): x not in list');
    changeable(self).splice(index, 1);
    return null;
  }),
  method<unknown[]>('clear', [], (self) => {
    changeable(self).length = 0;
    return null;
  }),
  method<unknown[]>('reverse', [], (self) => {
    changeable(self).reverse();
    return null;
  }),
  namedMethod<unknown[]>(
    'sort',
    [
      ['key', null],
      ['reverse', false],
    ],
    (self, [key, reverse], runtime) => {
      const list = changeable(self);
      if (key !== null && !(key instanceof Callable)) throw typeError('the sort key must be a function');
      const keyed =
        key === null ? (item: unknown) => item : (item: unknown) => key.call(callArguments([item]), runtime);
      const sorted = sortValues(list, keyed, reverse, runtime);
      list.splice(0, list.length, ...sorted);
      return null;
    },
  ),
]);

function changeable(list: unknown[]): unknown[] {
  if (!isOwnList(list)) throw securityError('the data of a workflow cannot be changed; copy the list first (|list)');
  return list;
}

function pop(list: unknown[], index: number): unknown {
  if (list.length === 0) throw new JinjaError('IndexError', 'pop from empty list');
  const position = index < 0 ? index + list.length : index;
  if (position < 0 || position >= list.length) throw new JinjaError('IndexError', 'pop index out of range');
  return list.splice(position, 1)[0];
}

function clampIndex(value: unknown, length: number): number {
  const index = toIndex(value);
  return Math.max(0, Math.min(length, index < 0 ? index + length : index));
}
