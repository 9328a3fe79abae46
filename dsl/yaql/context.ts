import type { FunctionDefinition } from './definitions.ts';
import type { Run } from './limits.ts';
import { YaqlValue, type Kind } from './values.ts';

/** A compiled expression. */
export type Code = (context: Context) => unknown;

/** Overloads by name; a table shadows nothing but is searched before its parent (spec/expressions.md §6.2). */
export class FunctionTable {
  readonly #parent: FunctionTable | null;
  readonly #functions = new Map<string, FunctionDefinition[]>();
  readonly #found = new Map<string, readonly (readonly FunctionDefinition[])[]>();
  #epoch = -1;

  constructor(parent: FunctionTable | null = null) {
    this.#parent = parent;
  }

  add(definition: FunctionDefinition): void {
    const overloads = this.#functions.get(definition.name);
    if (overloads) overloads.push(definition);
    else this.#functions.set(definition.name, [definition]);
    // Only a table that was searched before can have left traces, here or in a table below.
    if (this.#epoch >= 0) epoch += 1;
  }

  /** Overloads that can be called this way, one level per table that has any, the innermost first. */
  find(name: string, form: 'function' | 'method'): readonly (readonly FunctionDefinition[])[] {
    if (this.#epoch !== epoch) {
      this.#found.clear();
      this.#epoch = epoch;
    }
    const key = `${form} ${name}`;
    let levels = this.#found.get(key);
    if (!levels) {
      const own = (this.#functions.get(name) ?? []).filter((f) => f.form === form || f.form === 'both');
      const outer = this.#parent?.find(name, form) ?? [];
      levels = own.length > 0 ? [own, ...outer] : outer;
      this.#found.set(key, levels);
    }
    return levels;
  }

  /** The names that can be called this way, for suggestions. */
  names(form: 'function' | 'method'): ReadonlySet<string> {
    const names = new Set(this.#parent?.names(form));
    for (const [name, overloads] of this.#functions) {
      if (overloads.some((f) => f.form === form || f.form === 'both')) names.add(name);
    }
    return names;
  }
}

let epoch = 0;

/** Changes whenever a table that is in use gets another function; what was derived from tables is then stale. */
export function functionEpoch(): number {
  return epoch;
}

/**
 * A scope: variables and functions, with a parent that is asked next. Expressions never change one after its creation. It is also a
 * value: `let(…)` gives one, and `->` evaluates in it.
 */
export class Context extends YaqlValue {
  readonly yaqlKind: Kind = 'context';
  readonly parent: Context | null;
  readonly run: Run;
  functions: FunctionTable;
  /** `$1`, which is `$`; undefined when this scope does not set it. Kept apart because lambdas set nothing else. */
  first: unknown;
  #ownsFunctions = false;
  #rest: unknown[] | null = null;
  #named: Map<string, unknown> | null = null;

  constructor(parent: Context | null, run: Run, functions: FunctionTable, first?: unknown) {
    super();
    this.parent = parent;
    this.run = run;
    this.functions = functions;
    this.first = first;
  }

  /** A scope inside this one, in which `$` may be something else. */
  child(first?: unknown): Context {
    return new Context(this, this.run, this.functions, first);
  }

  /** A scope inside this one for another evaluation, with its own limits. */
  childFor(run: Run, first?: unknown): Context {
    return new Context(this, run, this.functions, first);
  }

  /** `name` with or without `$`. An undefined variable is null. */
  get(name: string): unknown {
    const position = positionOf(name);
    if (position === 1) return this.getFirst();
    const key = position === 0 ? withDollar(name) : '';
    let found = this.#own(position, key);
    for (let scope = this.parent; found === undefined && scope; scope = scope.parent) found = scope.#own(position, key);
    return found === undefined ? null : found;
  }

  getFirst(): unknown {
    let found = this.first;
    for (let scope = this.parent; found === undefined && scope; scope = scope.parent) found = scope.first;
    return found === undefined ? null : found;
  }

  #own(position: number, key: string): unknown {
    return position === 0 ? this.#named?.get(key) : this.#rest?.[position - 2];
  }

  set(name: string, value: unknown): this {
    const position = positionOf(name);
    if (position > 0) return this.setPositional(position, value);
    this.#named ??= new Map();
    this.#named.set(withDollar(name), value ?? null);
    return this;
  }

  /** Sets `$1`, `$2`, … */
  setPositional(position: number, value: unknown): this {
    if (position === 1) {
      this.first = value ?? null;
    } else {
      this.#rest ??= [];
      this.#rest[position - 2] = value ?? null;
    }
    return this;
  }

  /** Makes the function known here and in all scopes inside. */
  registerFunction(definition: FunctionDefinition): this {
    // Until then the table is shared with other scopes.
    if (!this.#ownsFunctions) this.functions = new FunctionTable(this.functions);
    this.#ownsFunctions = true;
    this.functions.add(definition);
    return this;
  }
}

/** 1 for `$` and `$1`, n for `$n`, 0 for a name. */
function positionOf(name: string): number {
  const start = name.startsWith('$') ? 1 : 0;
  if (name.length === start) return 1;
  // Most are names, which the first character tells.
  const first = name.charCodeAt(start);
  if (first < DIGIT_ONE || first > DIGIT_NINE) return 0;
  const bare = name.slice(start);
  return /^\d{1,4}$/.test(bare) ? Number(bare) : 0;
}

const DIGIT_ONE = 0x31;
const DIGIT_NINE = 0x39;

function withDollar(name: string): string {
  return name.startsWith('$') ? name : `$${name}`;
}

/** An argument that is not evaluated yet, with the scope it was written in. */
export class Lambda {
  readonly #code: Code;
  readonly #context: Context;

  constructor(code: Code, context: Context) {
    this.#code = code;
    this.#context = context;
  }

  call(): unknown {
    return this.#code(this.#context);
  }

  call1(value: unknown): unknown {
    const context = this.#context;
    context.run.step();
    return this.#code(new Context(context, context.run, context.functions, value));
  }

  call2(first: unknown, second: unknown): unknown {
    this.#context.run.step();
    return this.#code(this.#context.child(first).setPositional(2, second));
  }

  callAll(args: readonly unknown[], named: ReadonlyMap<string, unknown>): unknown {
    this.#context.run.step();
    const context = this.#context.child();
    args.forEach((arg, i) => context.setPositional(i + 1, arg));
    for (const [name, value] of named) context.set(name, value);
    return this.#code(context);
  }

  /** The same argument, as if it had been written in another scope. */
  in(context: Context): Lambda {
    return new Lambda(this.#code, context);
  }

  /** Evaluates in another scope instead of the one it was written in. */
  callIn(context: Context): unknown {
    return this.#code(context);
  }

  /** A scope inside the one it was written in. */
  scope(): Context {
    return this.#context.child();
  }
}

/** A `key => value` argument of `switch`, neither side evaluated. */
export interface LazyPair {
  readonly key: () => unknown;
  readonly value: () => unknown;
}
