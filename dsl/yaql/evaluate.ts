import type { Argument, Ast } from './ast.ts';
import type { Code, Context } from './context.ts';
import { PyDict, dictGet, dictKeys, isDict, isPlainKey, type Dict } from './dicts.ts';
import { YaqlError } from './errors.ts';
import { explainMissingKey } from './explain.ts';
import { FAST_BINARY, SLOW } from './fast-operators.ts';
import { END, PyIterator, pullerOf } from './iterators.ts';
import { CallSite, EMPTY, limited, type SiteArgument } from './overloads.ts';
import { type Keyword, namePath, readPath } from './paths.ts';
import { pyRepr } from './python-text.ts';
import { ITERABLE, kindBit } from './types.ts';
import { Pair, isTruthy } from './values.ts';

/**
 * Compiles a tree to closures. Everything but constants is a function call by name (spec/expressions.md §3); the commonest calls
 * take a shortcut as long as their functions are the library's own.
 */
export function compile(node: Ast): Code {
  switch (node.kind) {
    case 'constant':
    case 'keyword': {
      const { value } = node;
      return () => value;
    }
    case 'variable':
      return compileVariable(node.name);
    case 'group':
      return compile(node.inner);
    case 'list':
      return compileList(node);
    case 'map':
      return compileMap(node);
    case 'call':
      return compileCall(new CallSite(node.name, 'function', node.args.map(siteArgument), node.position));
    case 'index':
      return compileIndex(node);
    case 'unary':
      return compileUnary(node);
    case 'binary':
      return compileBinary(node);
  }
}

function compileCall(site: CallSite): Code {
  return (context) => site.invoke(context);
}

function compileVariable(name: string): Code {
  return name === '$1' ? (context) => context.getFirst() : (context) => context.get(name);
}

function compileList({ args, position }: Ast & { readonly kind: 'list' }): Code {
  const sources = args.map(siteArgument);
  const site = new CallSite('#list', 'function', sources, position);
  if (args.some((arg) => arg.kind === 'empty' || arg.kind === 'mapping')) return compileCall(site);
  const items = sources.map(({ code }) => code);
  return (context) => {
    if (!context.run.plain || !site.isStandard(context)) return site.invoke(context);
    const list: unknown[] = [];
    for (let i = 0; i < items.length; i += 1) list.push((items[i] as Code)(context));
    return list;
  };
}

function compileMap({ args, position }: Ast & { readonly kind: 'map' }): Code {
  const sources = args.map(siteArgument);
  const site = new CallSite('#map', 'function', sources, position);
  const pairs = args.flatMap((arg) => (arg.kind === 'mapping' ? [arg] : []));
  if (pairs.length < args.length) return compileCall(site);
  const names = pairs.map(({ key }) => (key.kind === 'keyword' || key.kind === 'constant' ? key.value : null));
  const mappings = sources.flatMap(({ mapping }) => (mapping ? [mapping] : []));
  const values = mappings.map(({ value }) => value.code);
  const keys = names.every((name): name is string => typeof name === 'string' && isPlainKey(name))
    ? null
    : mappings.map(({ key }) => key);
  return (context) => {
    if (!context.run.plain || !site.isStandard(context)) return site.invoke(context);
    if (keys) {
      const entries = keys.map((key, i) => [key(context), (values[i] as Code)(context)] as const);
      return new PyDict(entries);
    }
    const object: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i += 1) object[names[i] as string] = (values[i] as Code)(context);
    return object;
  };
}

function compileIndex({ target, args, position }: Ast & { readonly kind: 'index' }): Code {
  const collected = siteArgument(target);
  const indexes = args.map(siteArgument);
  const site = new CallSite('#indexer', 'function', [collected, ...indexes], position);
  const [only] = indexes;
  if (indexes.length !== 1 || !only || only.empty === true || only.mapping) return compileCall(site);
  const [list, index] = [collected.code, only.code];
  return (context) => {
    if (!context.run.plain || !site.isStandard(context)) return site.invoke(context);
    const collection = list(context);
    const at = index(context);
    if (
      Array.isArray(collection) &&
      typeof at === 'number' &&
      at >= 0 &&
      at < collection.length &&
      Number.isInteger(at)
    ) {
      return collection[at] ?? null;
    }
    return site.invokeWith(context, [collection, at]);
  };
}

function compileUnary(node: Ast & { readonly kind: 'unary' }): Code {
  const source = siteArgument(node.operand);
  const site = new CallSite(`#unary_operator_${node.operator}`, 'function', [source], node.position);
  if (node.operator !== 'not') return compileCall(site);
  const operand = source.code;
  return (context) =>
    context.run.plain && site.isStandard(context) ? !isTruthy(operand(context)) : site.invoke(context);
}

function compileBinary(node: Ast & { readonly kind: 'binary' }): Code {
  const { operator } = node;
  if (operator === '.' || operator === '?.') return compileMemberAccess(node);
  const name = OPERATOR_NAMES[operator] ?? `#operator_${operator}`;
  // Each operand is compiled once, for the call and for the shortcut: twice would be twice as often at each level.
  const sources = [siteArgument(node.left), siteArgument(node.right)] as const;
  const site = new CallSite(name, 'function', sources, node.position);
  const [left, right] = [sources[0].code, sources[1].code];
  if (operator === 'and' || operator === 'or') {
    return (context) => {
      if (!context.run.plain || !site.isStandard(context)) return site.invoke(context);
      const first = left(context);
      return isTruthy(first) === (operator === 'and') ? right(context) : first;
    };
  }
  const fast = FAST_BINARY.get(operator);
  if (!fast) return compileCall(site);
  return (context) => {
    if (!context.run.plain || !site.isStandard(context)) return site.invoke(context);
    const a = left(context);
    const b = right(context);
    const result = applied(fast, a, b, site);
    if (result === SLOW) return site.invokeWith(context, [a, b]);
    context.run.tick();
    if (typeof result === 'string') context.run.charge(result.length);
    return result;
  };
}

function applied(operation: (a: unknown, b: unknown) => unknown, a: unknown, b: unknown, site: CallSite): unknown {
  try {
    return operation(a, b);
  } catch (error) {
    throw site.located(error);
  }
}

const OPERATOR_NAMES: Readonly<Record<string, string>> = { '=': '*equal', '!=': '*not_equal' };

function compileMemberAccess(node: Ast & { readonly kind: 'binary' }): Code {
  const { base, members } = namePath(node);
  if (members.length > 0) return compilePath(base, members);
  const receiver = compile(node.left);
  const member = compileMember(node.right);
  if (node.operator === '.') {
    if (!member) return () => noMember(node.right.position);
    return (context) => member(context, receiver(context));
  }
  return (context) => {
    const value = receiver(context);
    if (value === null || value === undefined) return null;
    return member ? member(context, value) : noMember(node.right.position);
  };
}

function compilePath(base: Ast, members: readonly Keyword[]): Code {
  const start = compile(base);
  const names = members.map(({ value }) => value);
  const readers = members.map(({ value, position }) => compileProperty(value, position));
  return (context) => {
    const first = start(context);
    const found = readPath(first, names);
    if (found !== undefined) return found;
    let value = first;
    for (let i = 0; i < readers.length; i += 1) value = (readers[i] as Member)(context, value);
    return value;
  };
}

type Member = (context: Context, receiver: unknown) => unknown;

/** What stands behind a dot: a bare word or a call, nothing else. */
function compileMember(node: Ast): Member | null {
  if (node.kind === 'keyword') return compileProperty(node.value, node.position);
  if (node.kind !== 'call') return null;
  const site = new CallSite(node.name, 'method', node.args.map(siteArgument), node.position);
  return (context, receiver) => site.invoke(context, receiver);
}

function noMember(position: number): never {
  const message = 'No function "#operator_." matches supplied arguments';
  throw new YaqlError('NoMatchingFunctionException', message).locate(position).explain(() => ({
    hint: "behind a dot stands a name or a call; write x['key'] for any other key",
    signatures: [],
  }));
}

function compileProperty(name: string, position: number): Member {
  const site = new CallSite(`#property#${name}`, 'function', [{ code: () => null }], position);
  const read: Member = (context, receiver) => {
    if (typeof receiver === 'object' && receiver !== null) {
      if (isDict(receiver)) {
        const value = dictGet(receiver, name);
        if (value === undefined) throw missingKey(receiver, name, position);
        return value;
      }
      if (kindBit(receiver) & ITERABLE) return readFromEach(context, receiver, read);
    }
    return site.invokeWith(context, [receiver]);
  };
  return read;
}

function missingKey(dict: Dict, name: string, position: number): YaqlError {
  return new YaqlError('KeyError', pyRepr(name))
    .locate(position)
    .explain(() => explainMissingKey(name, dictKeys(dict)));
}

/** The property of every item, lazily. */
function readFromEach(context: Context, collection: unknown, read: Member): PyIterator {
  const { run } = context;
  const pull = pullerOf(limited(collection, run) as Iterable<unknown>);
  return new PyIterator(run, () => {
    const item = pull();
    return item === END ? END : read(context, item);
  });
}

function siteArgument(arg: Argument): SiteArgument {
  switch (arg.kind) {
    case 'empty':
      return { code: () => EMPTY, empty: true };
    case 'mapping': {
      const key = compile(arg.key);
      const value = siteArgument(arg.value);
      return {
        code: (context) => new Pair(key(context), value.code(context)),
        mapping: { word: arg.key.kind === 'keyword' ? arg.key.value : null, key, value },
      };
    }
    case 'constant':
    case 'keyword':
      return { code: compile(arg), constant: { value: arg.value } };
    default:
      return { code: compile(arg) };
  }
}
