import { Lambda, functionEpoch, type Code, type Context, type FunctionTable } from './context.ts';
import type { FunctionDefinition, Param } from './definitions.ts';
import { YaqlError, typeError } from './errors.ts';
import { explainMismatch, explainUnknown, type Given } from './explain.ts';
import { END, MemoIterator, Ordered, PyIterator, pullerOf } from './iterators.ts';
import { collectionTooLarge, type Run } from './limits.ts';
import { sizeOf } from './memory.ts';
import { dictKeys, isDict } from './dicts.ts';
import { pyStr } from './python-text.ts';
import { SetLike } from './sets.ts';
import { DICT, isNarrower, kindBit, type ParamType } from './types.ts';

/** An argument as it stands at a place of call. */
export interface SiteArgument {
  /** Evaluates the argument; for `key => value` both sides, as a pair. */
  readonly code: Code;
  /** A literal or bare word, whose type is known before anything is evaluated. */
  readonly constant?: { readonly value: unknown };
  readonly mapping?: {
    /** The bare word on the left, if it is one. */
    readonly word: string | null;
    readonly key: Code;
    readonly value: SiteArgument;
  };
  /** The constant was not written in the expression but is handed over as a value: null is then no lambda. */
  readonly isValue?: boolean;
  /** Nothing stands there: the default is meant. */
  readonly empty?: boolean;
}

/** Matching or changing longer texts takes so long that the clock is looked at each time. */
const LONG_TEXT = 50_000;

/**
 * One place in an expression where a function is called by name (spec/expressions.md §6.2). What can be decided from the shape of the
 * call and the functions in scope is decided once and kept: which overloads fit its number of arguments, keywords and constants, and
 * which arguments they want unevaluated. A call then evaluates, tests the kinds of values against masks and runs the function.
 */
export class CallSite {
  readonly name: string;
  readonly #form: 'function' | 'method';
  readonly #args: readonly SiteArgument[];
  readonly #position: number | null;
  #table: FunctionTable | null = null;
  #epoch = -1;
  #plan: Plan | null = null;

  /** @param position in the text of the expression, for errors; null when the call does not stand in it. */
  constructor(
    name: string,
    form: 'function' | 'method',
    args: readonly SiteArgument[],
    position: number | null = null,
  ) {
    this.name = name;
    this.#form = form;
    this.#args = args;
    this.#position = position;
  }

  /** Calls the function. */
  invoke(context: Context, receiver?: unknown): unknown {
    const stage = this.#stage(context, receiver);
    const { sources, lazy } = stage;
    const values: unknown[] = [];
    if (this.#form === 'method') values.push(receiver);
    for (let i = 0; i < sources.length; i += 1) {
      const source = sources[i] as SiteArgument;
      values.push(lazy[values.length] ? source : source.constant ? source.constant.value : source.code(context));
    }
    return this.#run(stage, context, values);
  }

  /** Calls a function of two arguments whose values are known. The caller has checked `accepts`. */
  invokeWith(context: Context, values: unknown[]): unknown {
    return this.#run(this.#stage(context, undefined), context, values);
  }

  /**
   * Whether all overloads that could be meant are the library's, so that a shortcut may be taken.
   * @throws YaqlError when no overload fits the shape of the call.
   */
  isStandard(context: Context): boolean {
    let plan = this.#table === context.functions && this.#epoch === functionEpoch() ? this.#plan : null;
    plan ??= this.#planFor(context);
    if (typeof plan.stage === 'string') this.#fail(plan.stage, context, undefined, null);
    return plan.isStandard;
  }

  /** What is wrong with the call whatever its arguments are when it is evaluated; null when nothing is. */
  certainError(context: Context): YaqlError | null {
    const { stage } = this.#planFor(context);
    if (typeof stage !== 'string') return null;
    return this.#error(stage, context, undefined, null);
  }

  /** Notes where an error came from, unless a call inside of this one has done so. */
  located(error: unknown): unknown {
    return error instanceof YaqlError ? error.locate(this.#position) : error;
  }

  #fail(problem: Problem, context: Context, receiver: unknown, values: readonly unknown[] | null): never {
    throw this.#error(problem, context, receiver, values);
  }

  #error(problem: Problem, context: Context, receiver: unknown, values: readonly unknown[] | null): YaqlError {
    const error = problemError(problem, this.name, this.#form, receiver).locate(this.#position);
    const name = this.name.replace(/_+$/, '');
    if (problem === 'unknown') return error.explain(() => explainUnknown(name, this.#form, context.functions));
    if (problem !== 'no match' && problem !== 'ambiguous') return error;
    const given = this.#given(context, receiver, values);
    return error.explain(() => explainMismatch(name, this.#form, context.functions, given));
  }

  /** What is known of the arguments when the call fails. */
  #given(context: Context, receiver: unknown, values: readonly unknown[] | null): Given {
    const isMethod = this.#form === 'method';
    const noKeywords = context.functions.find(this.name.replace(/_+$/, ''), this.#form)[0]?.[0]?.noKeywords ?? false;
    const positional: SiteArgument[] = [];
    const named: [string, SiteArgument][] = [];
    for (const arg of this.#args) {
      if (arg.mapping && !noKeywords) named.push([arg.mapping.word ?? '', arg.mapping.value]);
      else positional.push(arg);
    }
    const ownBits: (number | null)[] = isMethod ? [receiver === undefined ? null : kindBit(receiver)] : [];
    const bitAt = (arg: SiteArgument, i: number): number | null => {
      const value = values?.[i];
      if (values === null || value === arg) return arg.constant ? kindBit(arg.constant.value) : null;
      return value === EMPTY ? null : kindBit(value);
    };
    const offset = ownBits.length;
    return {
      positional: [...ownBits, ...positional.map((arg, i) => bitAt(arg, i + offset))],
      named: named.map(([name, arg], i) => [name, bitAt(arg, offset + positional.length + i)] as const),
    };
  }

  #stage(context: Context, receiver: unknown): Stage {
    const plan = this.#planFor(context);
    const stage = this.#form === 'method' ? plan.forReceiver(receiver, context.run) : plan.stage;
    return typeof stage === 'string' ? this.#fail(stage, context, receiver, null) : stage;
  }

  #planFor(context: Context): Plan {
    if (this.#plan && this.#table === context.functions && this.#epoch === functionEpoch()) return this.#plan;
    const levels = context.functions.find(this.name.replace(/_+$/, ''), this.#form);
    this.#plan = new Plan(levels, this.#form, this.#args);
    this.#table = context.functions;
    this.#epoch = functionEpoch();
    return this.#plan;
  }

  #run(stage: Stage, context: Context, values: unknown[]): unknown {
    const binding = choose(stage, values, context.run);
    if (typeof binding === 'string') return this.#fail(binding, context, values[0], values);
    try {
      const args = bindValues(binding, values, stage.sources, context);
      context.run.tick();
      const result = binding.definition.body(context, ...args);
      if (isLongText(values[0]) || isLongText(values[1])) context.run.checkTime();
      if (context.run.memoryQuota > 0) context.run.checkMemory(sizeOf(result));
      return result === undefined ? null : result;
    } catch (error) {
      throw this.located(error);
    }
  }
}

/** Calls a function by name with values, as `call(…)` does. */
export function callByName(
  context: Context,
  name: string,
  args: readonly unknown[],
  named: ReadonlyMap<string, unknown>,
): unknown {
  const [firstName] = named.keys();
  if (firstName !== undefined && context.functions.find(name.replace(/_+$/, ''), 'function')[0]?.[0]?.noKeywords) {
    throw problemError(`argument ${firstName}`, name, 'function', null);
  }
  const constant = (value: unknown): SiteArgument => ({ code: () => value, constant: { value }, isValue: true });
  const site = new CallSite(name, 'function', [
    ...args.map(constant),
    ...Array.from(named, ([word, value]) => ({
      code: () => value,
      mapping: { word, key: () => word, value: constant(value) },
    })),
  ]);
  return site.invoke(context);
}

type Problem = 'unknown' | 'no match' | 'ambiguous' | 'mapping' | `argument ${string}`;

/** How the arguments of a site meet the parameters of one overload. */
interface Binding {
  readonly definition: FunctionDefinition;
  /** For each argument its parameter. */
  readonly paramOf: readonly Param[];
  /** For each single parameter the argument that fills it; -1 for the default. */
  readonly filledBy: readonly number[];
  /** Arguments of the `rest` parameter. */
  readonly rest: readonly number[];
  /** Arguments of the `keywords` parameter. */
  readonly named: readonly (readonly [string, number])[];
}

/** The overloads left when all is known but the values, with what they agree on. */
interface Stage {
  readonly levels: readonly (readonly Binding[])[];
  /** By argument, the receiver included. */
  readonly lazy: readonly boolean[];
  /** Arguments to evaluate, in order, without the receiver. */
  readonly sources: readonly SiteArgument[];
}

class Plan {
  /** For function calls. */
  readonly stage: Stage | Problem;
  readonly #levels: readonly (readonly Binding[])[];
  readonly #sources: readonly SiteArgument[];
  readonly #problem: Problem | null;
  readonly #byReceiver = new Map<number, Stage | Problem>();
  readonly isStandard: boolean;

  constructor(
    levels: readonly (readonly FunctionDefinition[])[],
    form: 'function' | 'method',
    args: readonly SiteArgument[],
  ) {
    this.isStandard = levels.every((level) => level.every((definition) => definition.standard));
    const split = splitArguments(levels, args);
    this.#problem = typeof split === 'string' ? split : null;
    const { positional, named }: Split = typeof split === 'string' ? { positional: [], named: new Map() } : split;
    this.#sources = [...positional, ...named.values()];
    const offset = form === 'method' ? 1 : 0;
    this.#levels = levels.map((level) =>
      level.flatMap((definition) => bindShape(definition, positional, named, offset) ?? []),
    );
    this.stage = this.#stageOf(this.#levels);
  }

  /** Overloads whose first parameter takes the receiver: known before any argument is evaluated. */
  forReceiver(receiver: unknown, run: Run): Stage | Problem {
    const bit = kindBit(receiver);
    const key = run.iterableDicts ? -bit : bit;
    let stage = this.#byReceiver.get(key);
    if (stage === undefined) {
      stage = this.#stageOf(
        this.#levels.map((level) =>
          level.filter((binding) => acceptsBit((binding.paramOf[0] as Param).type, bit, run.iterableDicts)),
        ),
      );
      this.#byReceiver.set(key, stage);
    }
    return stage;
  }

  #stageOf(levels: readonly (readonly Binding[])[]): Stage | Problem {
    if (this.#problem) return this.#problem;
    const left = levels.filter((level) => level.length > 0);
    const first = left[0]?.[0];
    if (!first) return 'no match';
    const lazy = first.paramOf.map((parameter) => parameter.type.lazy !== null);
    const agree = left.every((level) =>
      level.every((binding) => binding.paramOf.every((parameter, i) => (parameter.type.lazy !== null) === lazy[i])),
    );
    return agree ? { levels: left, lazy, sources: this.#sources } : 'ambiguous';
  }
}

interface Split {
  readonly positional: readonly SiteArgument[];
  readonly named: ReadonlyMap<string, SiteArgument>;
}

/** Tells positional from named arguments, which all overloads of the name must agree about. */
function splitArguments(
  levels: readonly (readonly FunctionDefinition[])[],
  args: readonly SiteArgument[],
): Split | Problem {
  const overloads = levels.flat();
  const noKeywords = overloads[0]?.noKeywords;
  if (noKeywords === undefined) return 'unknown';
  const positional: SiteArgument[] = [];
  const named = new Map<string, SiteArgument>();
  for (const arg of args) {
    if (!arg.mapping || noKeywords) positional.push(arg);
    else if (arg.mapping.word === null) return 'mapping';
    else named.set(arg.mapping.word, arg.mapping.value);
  }
  return overloads.some((overload) => overload.noKeywords !== noKeywords) ? 'ambiguous' : { positional, named };
}

/** Maps arguments to parameters; null when the overload cannot be meant: arity, keywords, or a constant of the wrong type. */
function bindShape(
  definition: FunctionDefinition,
  positional: readonly SiteArgument[],
  named: ReadonlyMap<string, SiteArgument>,
  offset: number,
): Binding | null {
  const count = positional.length + offset;
  const names = [...named.keys()];
  const unused = new Set(names);
  const paramOf: (Param | undefined)[] = [];
  const filledBy: number[] = [];
  const singles = definition.params.filter((p) => p.role === 'single');
  const restParam = definition.params.find((p) => p.role === 'rest');
  const keywordsParam = definition.params.find((p) => p.role === 'keywords');
  for (const [i, p] of singles.entries()) {
    const given = i < count && !positional[i - offset]?.empty;
    if (given) {
      if (unused.has(p.name)) return null;
      paramOf[i] = p;
      filledBy.push(i);
    } else if (unused.delete(p.name)) {
      const at = count + names.indexOf(p.name);
      paramOf[at] = p;
      filledBy.push(at);
    } else if (!p.optional) {
      return null;
    } else {
      filledBy.push(-1);
    }
    // An empty slot stands for the default, or lies beside a keyword.
    if (!given && i < count) paramOf[i] ??= p;
  }
  if ((count > singles.length && !restParam) || (unused.size > 0 && !keywordsParam)) return null;
  const restAt: number[] = [];
  for (let i = singles.length; i < count; i += 1) {
    paramOf[i] = restParam as Param;
    restAt.push(i);
  }
  const extra = [...unused].map((name) => [name, count + names.indexOf(name)] as const);
  for (const [, at] of extra) paramOf[at] = keywordsParam as Param;
  const binding: Binding = { definition, paramOf: paramOf as Param[], filledBy, rest: restAt, named: extra };
  return positional.every((arg, i) => fitsShape(arg, binding.paramOf[i + offset] as Param)) ? binding : null;
}

function fitsShape(arg: SiteArgument, parameter: Param): boolean {
  const { type } = parameter;
  // The placeholder of an empty slot is an object to a `rest` parameter.
  if (arg.empty) return parameter.role !== 'rest' || type.lazy !== null || (type.mask & OPAQUE) !== 0;
  if (type.lazy === 'pair') return arg.mapping !== undefined;
  return type.lazy !== null || !arg.constant || acceptsBit(type, kindBit(arg.constant.value), false);
}

const OPAQUE = kindBit(Symbol.iterator);

function acceptsBit(type: ParamType, bit: number, iterableDicts: boolean): boolean {
  return (type.mask & bit) !== 0 || (iterableDicts && bit === DICT && type.convert === 'iterable');
}

/** Level by level: the overload that accepts the values, the narrowest if several do. */
function choose(stage: Stage, values: readonly unknown[], run: Run): Binding | Problem {
  for (const level of stage.levels) {
    let winner: Binding | null = null;
    for (const binding of level) {
      if (!accepts(binding, values, stage, run)) continue;
      if (winner === null || isSpecialization(binding, winner)) winner = binding;
      else if (!isSpecialization(winner, binding)) return 'ambiguous';
    }
    if (winner) return winner;
  }
  return 'no match';
}

function accepts(binding: Binding, values: readonly unknown[], stage: Stage, run: Run): boolean {
  const { paramOf } = binding;
  for (let i = 0; i < values.length; i += 1) {
    if (stage.lazy[i]) continue;
    const value = values[i];
    if (value === EMPTY) continue;
    const { type } = paramOf[i] as Param;
    const bit = kindBit(value);
    if ((type.mask & bit) === 0 && !acceptsBit(type, bit, run.iterableDicts)) return false;
  }
  return true;
}

/** The code of an empty slot gives this; it never gets further than {@link bindValues}. */
export const EMPTY: unique symbol = Symbol('empty argument');

function isSpecialization(a: Binding, b: Binding): boolean {
  let narrower = false;
  for (let i = 0; i < a.paramOf.length; i += 1) {
    const [left, right] = [(a.paramOf[i] as Param).type, (b.paramOf[i] as Param).type];
    if (isNarrower(right, left)) return false;
    narrower ||= isNarrower(left, right);
  }
  return narrower;
}

/** The arguments in the order of the parameters. */
function bindValues(
  binding: Binding,
  values: readonly unknown[],
  sources: readonly SiteArgument[],
  context: Context,
): unknown[] {
  const { params } = binding.definition;
  const args: unknown[] = [];
  let single = 0;
  for (let i = 0; i < params.length; i += 1) {
    const parameter = params[i] as Param;
    if (parameter.role === 'single') {
      const at = binding.filledBy[single] as number;
      single += 1;
      args.push(at < 0 ? parameter.fallback : convert(values[at], parameter, context));
    } else if (parameter.role === 'rest') {
      args.push(binding.rest.map((at) => convert(values[at], parameter, context)));
    } else {
      args.push(new Map(binding.named.map(([name, at]) => [name, convert(values[at], parameter, context)])));
    }
  }
  return args;
}

function convert(value: unknown, parameter: Param, context: Context): unknown {
  const { type } = parameter;
  if (type.lazy !== null) return lazyArgument(value as SiteArgument, parameter, context);
  if (value === EMPTY) return null;
  if (type.convert === 'integer') return typeof value === 'boolean' ? Number(value) : value;
  const { run } = context;
  if (run.plain) return value;
  if (run.memoryQuota > 0) run.checkMemory(sizeOf(value));
  return type.convert === 'iterable' && value !== null ? limited(value, run) : value;
}

function lazyArgument(source: SiteArgument, parameter: Param, context: Context): unknown {
  if (source.isValue && source.constant?.value === null)
    return parameter.optional && parameter.role === 'single' ? null : notCallable(context);
  if (parameter.type.lazy === 'lambda') return new Lambda(source.empty ? () => null : source.code, context);
  const { mapping } = source;
  if (!mapping) throw new Error('a lazy pair needs a mapping');
  return { key: () => mapping.key(context), value: () => mapping.value.code(context) };
}

function notCallable(context: Context): Lambda {
  return new Lambda(() => {
    throw typeError("'NoneType' object is not callable");
  }, context);
}

/** Checks a sized collection against the limit at once, and wraps others so that they fail when they get too long. */
export function limited(value: unknown, run: Run): unknown {
  const items = isDict(value) ? [...dictKeys(value)] : value;
  if (run.limitIterators < 0) return items;
  if (Array.isArray(items)) run.checkCollection(items.length);
  else if (items instanceof SetLike) run.checkCollection(items.size);
  else if (
    items instanceof PyIterator ||
    items instanceof MemoIterator ||
    items instanceof Ordered ||
    isIterable(items)
  ) {
    const pull = pullerOf(items);
    let left = run.limitIterators;
    return new PyIterator(run, () => {
      const item = pull();
      if (item === END) return END;
      if (left === 0) throw collectionTooLarge(run.limitIterators);
      left -= 1;
      return item;
    });
  }
  return items;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function problemError(problem: Problem, name: string, form: 'function' | 'method', receiver: unknown): YaqlError {
  if (problem === 'mapping') {
    return new YaqlError('MappingTranslationException', 'Cannot convert mapping to keyword argument');
  }
  const kind = form === 'function' ? 'Function' : 'Method';
  const what = form === 'function' ? `function "${name}"` : `method "${name}" for receiver ${pyStr(receiver)}`;
  switch (problem) {
    case 'unknown':
      return new YaqlError(`No${kind}RegisteredException`, `Unknown ${what}`);
    case 'ambiguous':
      return new YaqlError(`Ambiguous${kind}Exception`, `Ambiguous ${what}`);
    case 'no match':
      return new YaqlError(`NoMatching${kind}Exception`, `No ${what} matches supplied arguments`);
    default:
      return new YaqlError('ArgumentException', `Invalid ${problem}`);
  }
}

function isLongText(value: unknown): boolean {
  return typeof value === 'string' && value.length > LONG_TEXT;
}
