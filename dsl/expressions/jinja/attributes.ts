import { DateTime } from '../../yaql/date-time.ts';
import { isDict } from '../../yaql/dicts.ts';
import { Float, isInteger, isNumber } from '../../yaql/numbers.ts';
import { TimeSpan } from '../../yaql/time-span.ts';
import { PyTuple } from '../../yaql/values.ts';
import { dateMethods } from './methods/dates.ts';
import { dictMethods } from './methods/dicts.ts';
import { listMethods, rangeMethods, tupleMethods } from './methods/lists.ts';
import type { Method } from './methods/method.ts';
import { floatMethods, integerMethods } from './methods/numbers.ts';
import { markupMethod, stringMethods } from './methods/strings.ts';
import { JinjaObject, Markup, Range } from './objects.ts';
import { numberOf, typeName } from './python.ts';

/** The method of a built-in type, not yet bound; undefined when there is none. */
export function methodOf(object: unknown, name: string): Method | undefined {
  if (typeof object === 'string') return stringMethods.get(name);
  if (object instanceof Markup) return markupMethod(name);
  if (Array.isArray(object)) return (object instanceof PyTuple ? tupleMethods : listMethods).get(name);
  if (isDict(object)) return dictMethods.get(name);
  if (object instanceof Range) return rangeMethods.get(name);
  if (object instanceof DateTime) return dateMethods.get(name);
  const number = numberOf(object);
  if (number === null) return undefined;
  return (isInteger(number) ? integerMethods : floatMethods).get(name);
}

/** A public attribute that is a value, not a method; undefined when there is none. */
export function attributeValue(object: unknown, name: string): unknown {
  if (object instanceof JinjaObject) return object.attribute(name);
  if (object instanceof GroupTuple) return name === 'grouper' ? object[0] : name === 'list' ? object[1] : undefined;
  if (typeof object === 'boolean' || isNumber(object)) return numberAttribute(object, name);
  if (object instanceof DateTime) return dateAttribute(object, name);
  if (object instanceof TimeSpan) return spanAttribute(object, name);
  return undefined;
}

/** Whether Python knows an attribute of this name that the sandbox refuses. */
export function hasUnsafeAttribute(object: unknown, name: string): boolean {
  if (!name.startsWith('__') || !name.endsWith('__')) return false;
  const word = name.slice(2, -2);
  return OBJECT_ATTRIBUTES.has(word) || (TYPE_ATTRIBUTES[typeName(object)]?.has(word) ?? false);
}

/** What `groupby` gives: a pair with names. */
export class GroupTuple extends PyTuple {
  static pair(grouper: unknown, list: readonly unknown[]): GroupTuple {
    const group = new GroupTuple();
    group.push(grouper, list);
    return group;
  }
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const OBJECT_ATTRIBUTES = words(
  'class delattr dir doc eq format ge getattribute getstate gt hash init init_subclass le lt ne new reduce reduce_ex repr setattr sizeof str subclasshook',
);

const NUMBER_ATTRIBUTES =
  'abs add bool ceil divmod float floor floordiv getnewargs int mod mul neg pos pow radd rdivmod rfloordiv rmod rmul round rpow rsub rtruediv sub truediv trunc';
const INTEGER_ATTRIBUTES = words(
  `${NUMBER_ATTRIBUTES} and index invert lshift or rand rlshift ror rrshift rshift rxor xor`,
);

const TYPE_ATTRIBUTES: Readonly<Record<string, ReadonlySet<string>>> = {
  str: words('add contains getitem getnewargs iter len mod mul rmod rmul'),
  dict: words('class_getitem contains delitem getitem ior iter len or reversed ror setitem'),
  list: words('add class_getitem contains delitem getitem iadd imul iter len mul reversed rmul setitem'),
  tuple: words('add class_getitem contains getitem getnewargs iter len mul rmul'),
  int: INTEGER_ATTRIBUTES,
  bool: INTEGER_ATTRIBUTES,
  float: words(`${NUMBER_ATTRIBUTES} getformat`),
  NoneType: words('bool'),
  range: words('bool contains getitem iter len reversed'),
  builtin_function_or_method: words('call name qualname module self text_signature'),
  function: words('call name qualname module globals code closure defaults kwdefaults annotations dict get'),
};

function numberAttribute(value: unknown, name: string): unknown {
  const number = numberOf(value);
  if (name === 'real') return number;
  if (name === 'imag') return isInteger(number) ? 0 : new Float(0);
  if (!isInteger(number)) return undefined;
  return name === 'numerator' ? number : name === 'denominator' ? 1 : undefined;
}

function dateAttribute(value: DateTime, name: string): unknown {
  const fields: Readonly<Record<string, number>> = { ...value.fields() };
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function spanAttribute(value: TimeSpan, name: string): unknown {
  const { days, seconds, microseconds } = value.parts();
  if (name === 'days') return Number(days);
  return name === 'seconds' ? seconds : name === 'microseconds' ? microseconds : undefined;
}
