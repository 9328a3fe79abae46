import { type Dict, dictEntries, dictGet, PyDict } from '../../../yaql/dicts.ts';
import { PyTuple } from '../../../yaql/values.ts';
import { JinjaError, securityError } from '../errors.ts';
import { checkHashable, iterate, newDict, putEntry, repr, textOf } from '../python.ts';
import { entriesOf } from '../dict-entries.ts';
import { DictView } from '../views.ts';
import { type Method, freeMethod, method } from './method.ts';

const ABSENT = Symbol('no default');

/** Methods that change a dict work on those the template made; the data of a workflow never change. */
export const dictMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  method<Dict>('keys', [], (self) => new DictView(self, 'keys')),
  method<Dict>('values', [], (self) => new DictView(self, 'values')),
  method<Dict>('items', [], (self) => new DictView(self, 'items')),
  method<Dict>('copy', [], (self) => newDict(dictEntries(self))),
  method<Dict>('get', ['key', ['default', null]], (self, [key, fallback]) => {
    const value = lookUp(self, key);
    return value === undefined ? fallback : value;
  }),
  method<Dict>('fromkeys', ['iterable', ['value', null]], (_self, [keys, value]) =>
    newDict([...iterate(keys)].map((key) => [key, value])),
  ),
  method<Dict>('pop', ['key', ['default', ABSENT]], (self, [key, fallback]) => {
    const value = lookUp(self, key);
    if (value === undefined) {
      if (fallback === ABSENT) throw new JinjaError('KeyError', repr(key));
      return fallback;
    }
    changeable(self).drop(plain(key));
    return value;
  }),
  method<Dict>('popitem', [], (self) => {
    const last = [...dictEntries(self)].at(-1);
    if (last === undefined) throw new JinjaError('KeyError', "'popitem(): dictionary is empty'");
    changeable(self).drop(last[0]);
    return PyTuple.wrap(last);
  }),
  method<Dict>('setdefault', ['key', ['default', null]], (self, [key, fallback]) => {
    const value = lookUp(self, key);
    if (value !== undefined) return value;
    putEntry(changeable(self), key, fallback);
    return fallback;
  }),
  method<Dict>('clear', [], (self) => {
    const dict = changeable(self);
    for (const key of Array.from(dict.keys())) dict.drop(key);
    return null;
  }),
  freeMethod<Dict>('update', (self, args) => {
    const dict = changeable(self);
    for (const [key, value] of entriesOf('update', args)) putEntry(dict, key, value);
    return null;
  }),
]);

function lookUp(dict: Dict, key: unknown): unknown {
  checkHashable(key);
  return dictGet(dict, plain(key));
}

function plain(key: unknown): unknown {
  return textOf(key) ?? key;
}

function changeable(dict: Dict): PyDict {
  if (dict instanceof PyDict && dict.mutable) return dict;
  throw securityError('the data of a workflow cannot be changed; copy the mapping first (dict(…))');
}
