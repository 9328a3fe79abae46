import type { Explanation } from '../../yaql/errors.ts';
import { type Kind, YaqlValue } from '../../yaql/values.ts';
import type { CallArguments } from './calls.ts';
import { JinjaError } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** Values that only templates know. They extend the YAQL values so that truth, equality and hashing treat them rightly. */
export abstract class JinjaObject extends YaqlValue {
  readonly yaqlKind: Kind = 'opaque';
  /** Python's `type(x).__name__`. */
  abstract readonly typeName: string;

  /** The value of a public attribute, or undefined when there is none. */
  attribute(_name: string): unknown {
    return undefined;
  }

  /** `repr(x)`; `of` gives that of members. */
  repr(_of: (value: unknown) => string): string {
    return `<${this.typeName} object>`;
  }
}

/**
 * What a missing variable, key or attribute is. A strict one fails as soon as it is used in any way; the other kind comes from an
 * inline `if` without `else` and acts like an empty string.
 */
export class Undefined extends JinjaObject {
  readonly typeName: string;
  readonly message: string;
  readonly className: string;
  readonly isStrict: boolean;
  private readonly explain: (() => Explanation | null) | null;
  private offset: number | null = null;

  constructor(
    message: string,
    options: { className?: string; isStrict?: boolean; explain?: () => Explanation | null } = {},
  ) {
    super();
    this.message = message;
    this.className = options.className ?? 'UndefinedError';
    this.isStrict = options.isStrict ?? true;
    this.explain = options.explain ?? null;
    this.typeName = this.isStrict ? 'StrictUndefined' : 'Undefined';
  }

  fail(): never {
    throw new JinjaError(this.className, this.message, this.offset).explain(() => this.explain?.() ?? null);
  }

  /** Notes where in the template the value is missing. */
  locate(offset: number): this {
    this.offset ??= offset;
    return this;
  }

  /** For uses that a lenient undefined value allows. */
  failIfStrict(): void {
    if (this.isStrict) this.fail();
  }

  override isTruthy(): boolean {
    this.failIfStrict();
    return false;
  }

  override equalTo(other: unknown): boolean {
    this.failIfStrict();
    return other instanceof Undefined;
  }

  override hashKey(): unknown {
    this.failIfStrict();
    return this;
  }

  override repr(): string {
    return 'Undefined';
  }
}

/** Text that is safe in HTML: what `escape` and `safe` give. A string in every other respect. */
export class Markup extends JinjaObject {
  readonly typeName = 'Markup';
  readonly text: string;

  constructor(text: string) {
    super();
    this.text = text;
  }

  override isTruthy(): boolean {
    return this.text !== '';
  }

  override equalTo(other: unknown): boolean {
    return other instanceof Markup && other.text === this.text;
  }

  override hashKey(): unknown {
    return this.text;
  }
}

/** A generator: single pass, always true. */
export class PyIterator extends JinjaObject {
  override readonly yaqlKind: Kind = 'iterator';
  readonly typeName: string;
  private readonly items: Iterator<unknown>;

  constructor(items: Iterable<unknown>, typeName = 'generator') {
    super();
    this.items = items[Symbol.iterator]();
    this.typeName = typeName;
  }

  [Symbol.iterator](): Iterator<unknown> {
    return { next: () => this.items.next() };
  }
}

export class Range extends JinjaObject {
  readonly typeName = 'range';
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly length: number;

  constructor(start: number, stop: number, step: number) {
    super();
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }

  at(index: number): number {
    return this.start + index * this.step;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  override isTruthy(): boolean {
    return this.length > 0;
  }

  override equalTo(other: unknown): boolean {
    if (!(other instanceof Range) || other.length !== this.length) return false;
    return this.length === 0 || (this.start === other.start && (this.length === 1 || this.step === other.step));
  }

  override attribute(name: string): unknown {
    return name === 'start' || name === 'stop' || name === 'step' ? this[name] : undefined;
  }

  override repr(): string {
    return this.step === 1 ? `range(${this.start}, ${this.stop})` : `range(${this.start}, ${this.stop}, ${this.step})`;
  }
}

/** `x[a:b:c]`: what stands between the brackets. */
export class Slice extends JinjaObject {
  readonly typeName = 'slice';
  readonly start: unknown;
  readonly stop: unknown;
  readonly step: unknown;

  constructor(start: unknown, stop: unknown, step: unknown) {
    super();
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/** Anything that `f(…)` accepts. */
export abstract class Callable extends JinjaObject {
  readonly typeName: string = 'function';
  abstract call(args: CallArguments, runtime: Runtime): unknown;
}

/** A function of the host or a method bound to its object. */
export class NativeFunction extends Callable {
  override readonly typeName: string = 'builtin_function_or_method';
  readonly name: string;
  private readonly body: (args: CallArguments, runtime: Runtime) => unknown;

  constructor(name: string, body: (args: CallArguments, runtime: Runtime) => unknown) {
    super();
    this.name = name;
    this.body = body;
  }

  call(args: CallArguments, runtime: Runtime): unknown {
    return this.body(args, runtime);
  }

  override repr(): string {
    return `<built-in method ${this.name}>`;
  }
}

/** `namespace(…)`: the one object whose attributes a template can set. */
export class Namespace extends JinjaObject {
  readonly typeName = 'Namespace';
  readonly attributes = new Map<string, unknown>();

  override attribute(name: string): unknown {
    return this.attributes.get(name);
  }

  override repr(of: (value: unknown) => string): string {
    const entries = [...this.attributes].map(([name, value]) => `${of(name)}: ${of(value)}`);
    return `<Namespace {${entries.join(', ')}}>`;
  }
}

const ownLists = new WeakSet<object>();

/** A list that the template made itself, so that it may change it. Lists of the data context are never changed. */
export function ownList(items: unknown[]): unknown[] {
  ownLists.add(items);
  return items;
}

export function isOwnList(list: object): boolean {
  return ownLists.has(list);
}
