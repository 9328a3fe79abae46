import { dictGet, dictKeys, isDict } from '../../yaql/dicts.ts';
import { explainMissingKey } from '../../yaql/explain.ts';
import { attributeValue, hasUnsafeAttribute, methodOf } from './attributes.ts';
import { bind, callArguments, type CallArguments } from './calls.ts';
import { typeError } from './errors.ts';
import type { Method } from './methods/method.ts';
import { Callable, Markup, NativeFunction, Undefined } from './objects.ts';
import { iterate, repr, subscript, textOf, typeName } from './python.ts';
import type { Runtime } from './runtime.ts';
import { type FieldAccess, formatBraces } from './str-format.ts';
import { escapeHtml } from './text.ts';

/**
 * `object.name` of the sandbox: an attribute, else a key, else undefined. A key of a dict wins over a method of the same name
 * (`_.items` is the variable); a call `_.items()` means the method, see {@link callMethod}. spec/engine.md E-6.4.
 */
export function getAttribute(object: unknown, name: string): unknown {
  if (isDict(object)) {
    const value = dictGet(object, name);
    if (value !== undefined && !hasUnsafeAttribute(object, name)) return value;
  }
  return attributeOr(object, name, () => subscript(object, name));
}

/** `object[key]`: a key, else an attribute of that name, else undefined. */
export function getItem(object: unknown, key: unknown): unknown {
  if (object instanceof Undefined) object.fail();
  const value = subscript(object, key);
  if (value !== undefined) return value;
  if (key instanceof Undefined) key.failIfStrict();
  const name = textOf(key);
  return name === null ? missing(object, key) : attributeOr(object, name, () => undefined);
}

/** `object.name(…)` without making a bound method first. */
export function callMethod(object: unknown, name: string, args: CallArguments, runtime: Runtime): unknown {
  if (object instanceof Undefined) object.fail();
  runtime.spend();
  const method = methodNamed(object, name);
  if (method !== undefined) return method(object, args, runtime);
  return callValue(getAttribute(object, name), args, runtime);
}

export function callValue(callee: unknown, args: CallArguments, runtime: Runtime): unknown {
  if (callee instanceof Callable) return runtime.nested(() => callee.call(args, runtime));
  if (callee instanceof Undefined) callee.fail();
  throw typeError(`'${typeName(callee)}' object is not callable`);
}

/** Whether the object has an attribute in Python's sense, keys aside. */
export function ownAttribute(object: unknown, name: string): unknown {
  return attributeOr(object, name, () => undefined);
}

function attributeOr(object: unknown, name: string, otherwise: () => unknown): unknown {
  if (object instanceof Undefined) object.fail();
  if (hasUnsafeAttribute(object, name)) return unsafe(object, name);
  const value = attributeValue(object, name);
  if (value !== undefined) return value;
  const method = methodNamed(object, name);
  if (method !== undefined) return new NativeFunction(name, (args, runtime) => method(object, args, runtime));
  const other = otherwise();
  return other === undefined ? missing(object, name) : other;
}

const JINJA_GET = (name: string): string => `.get('${name}')`;

/** The undefined value for a key or attribute that is not there. */
export function missing(object: unknown, key: unknown): Undefined {
  const name = textOf(key);
  const type = describeType(object);
  return new Undefined(
    name === null ? `${type} has no element ${repr(key)}` : `${repr(type)} has no attribute ${repr(name)}`,
    name !== null && isDict(object) ? { explain: () => explainMissingKey(name, dictKeys(object), JINJA_GET) } : {},
  );
}

/** The methods of a type, and `format`, which looks up attributes itself and so has its place here. */
function methodNamed(object: unknown, name: string): Method | undefined {
  const isFormat = (name === 'format' || name === 'format_map') && textOf(object) !== null;
  return isFormat ? (self, args, runtime) => format(self, name, args, runtime) : methodOf(object, name);
}

const FIELD_ACCESS: FieldAccess = { attribute: getAttribute, item: getItem };

function format(self: unknown, name: string, args: CallArguments, runtime: Runtime): unknown {
  const text = textOf(self) ?? '';
  const values = name === 'format' ? args : mappedArguments(args);
  if (!(self instanceof Markup)) return formatBraces(text, values, runtime, FIELD_ACCESS);
  return new Markup(formatBraces(text, values, runtime, FIELD_ACCESS, escapeHtml));
}

function mappedArguments(args: CallArguments): CallArguments {
  const [mapping] = bind('format_map', ['mapping'], args);
  const keywords = new Map<string, unknown>();
  if (!isDict(mapping)) throw typeError('format_map() argument must be a mapping');
  for (const key of iterate(mapping)) if (typeof key === 'string') keywords.set(key, subscript(mapping, key));
  return callArguments([], keywords);
}

function unsafe(object: unknown, name: string): Undefined {
  return new Undefined(`access to attribute ${repr(name)} of ${repr(typeName(object))} object is unsafe.`, {
    className: 'SecurityError',
  });
}

function describeType(object: unknown): string {
  if (object === null || object === undefined) return 'None';
  const name = typeName(object);
  return `${MODULES[name] ?? ''}${name} object`;
}

/** Modules of the classes that are not Python's own; messages name them. */
const MODULES: Readonly<Record<string, string>> = {
  Namespace: 'jinja2.utils.',
  Cycler: 'jinja2.utils.',
  Joiner: 'jinja2.utils.',
  Macro: 'jinja2.runtime.',
  LoopContext: 'jinja2.runtime.',
  Markup: 'markupsafe.',
};
