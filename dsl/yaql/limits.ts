import { YaqlError } from './errors.ts';

/** Engine options. The first five carry the names and defaults of the reference (spec/expressions.md §11.8). */
export interface Options {
  /** Longest collection that passes an Iterable parameter or the output; -1 is no limit. */
  readonly limitIterators?: number;
  /** Bytes, compared with estimates of CPython sizes; -1 is no limit. */
  readonly memoryQuota?: number;
  readonly convertSetsToLists?: boolean;
  readonly convertTuplesToLists?: boolean;
  readonly convertOutputData?: boolean;
  /** Dicts count as collections of their keys. */
  readonly iterableDicts?: boolean;
  /**
   * Named groups of a regular expression as variables (`$name`) in the selector of `search`, `searchAll`, `replaceBy`. Off by default:
   * the reference fails on expressions with named groups there, and so does this implementation.
   */
  readonly namedGroups?: boolean;
  /** Items pulled and lambdas called in one evaluation, by default 10 million. */
  readonly maxSteps?: number;
  /** Milliseconds for one evaluation, checked at steps; by default none. It makes results depend on the machine. */
  readonly timeLimit?: number;
  /** Nested calls of lambdas and defined functions, by default 400. */
  readonly maxDepth?: number;
  /** Longest string or list that one operation may build, by default 20 million. */
  readonly maxSize?: number;
  /** Characters of all strings and elements of all lists (eight each) that one evaluation may build, by default 500 million. */
  readonly maxBuilt?: number;
}

/** The options of an expression with their defaults; worked out once for many evaluations. */
export class Limits {
  readonly options: Options;
  readonly limitIterators: number;
  readonly memoryQuota: number;
  readonly iterableDicts: boolean;
  /** No option is set that shortcuts past the general call would have to heed. */
  readonly plain: boolean;
  readonly maxSize: number;
  readonly maxBuilt: number;
  readonly maxSteps: number;
  readonly maxDepth: number;
  readonly timeLimit: number;

  constructor(options: Options = {}) {
    this.options = options;
    this.limitIterators = options.limitIterators ?? -1;
    this.memoryQuota = options.memoryQuota ?? -1;
    this.iterableDicts = options.iterableDicts ?? false;
    this.plain = this.limitIterators < 0 && this.memoryQuota <= 0 && !this.iterableDicts;
    this.maxSize = options.maxSize ?? 20_000_000;
    this.maxBuilt = options.maxBuilt ?? 500_000_000;
    this.maxSteps = options.maxSteps ?? 10_000_000;
    this.maxDepth = options.maxDepth ?? 400;
    this.timeLimit = options.timeLimit ?? 0;
  }
}

const DEFAULT_LIMITS = new Limits();

/** One evaluation: what it may use, and how much of it is used up. */
export class Run {
  readonly limits: Limits;
  /** {@link Limits.plain}, which is asked for at every step. */
  readonly plain: boolean;
  /** The clock starts at the first look at it: most evaluations never take as many steps. */
  #deadline = 0;
  #steps = 0;
  #ticks = 0;
  #built = 0;
  #depth = 0;

  constructor(limits: Limits = DEFAULT_LIMITS) {
    this.limits = limits;
    this.plain = limits.plain;
  }

  get options(): Options {
    return this.limits.options;
  }

  get limitIterators(): number {
    return this.limits.limitIterators;
  }

  get memoryQuota(): number {
    return this.limits.memoryQuota;
  }

  get iterableDicts(): boolean {
    return this.limits.iterableDicts;
  }

  get maxSize(): number {
    return this.limits.maxSize;
  }

  /** Counts one step. @throws YaqlError of class LimitExceededException. */
  step(): void {
    this.#steps += 1;
    if (this.#steps > this.limits.maxSteps) throw limitExceeded(`takes more than ${this.limits.maxSteps} steps`);
    // A step may build a large value or match a slow pattern, so few go by between two looks.
    if ((this.#steps & 0xf) === 0) this.checkTime();
  }

  /** At each call of a function or operator: there are no steps in an expression without lambdas, but it takes time as well. */
  tick(): void {
    this.#ticks += 1;
    if ((this.#ticks & 0xf) === 0) this.checkTime();
  }

  /** Looks at the clock, as after a call that had a long text to work on. */
  checkTime(): void {
    const { timeLimit } = this.limits;
    if (timeLimit <= 0) return;
    const now = performance.now();
    if (this.#deadline === 0) this.#deadline = now + timeLimit;
    if (now > this.#deadline) throw limitExceeded(`takes more than ${timeLimit} ms`);
  }

  /** Counts many steps at once. */
  steps(count: number): void {
    this.#steps += count;
    this.step();
  }

  enter(): void {
    this.#depth += 1;
    if (this.#depth > this.limits.maxDepth) {
      this.#depth = 0;
      throw new YaqlError('RecursionError', 'maximum recursion depth exceeded');
    }
  }

  leave(): void {
    this.#depth -= 1;
  }

  /** Before a string or list of this length is built. */
  checkSize(length: number): void {
    if (length > this.maxSize) throw limitExceeded(`builds a value of more than ${this.maxSize} elements`);
  }

  /** Before a string, or with `weight` 8 a list, of this length is built: both limits. */
  willBuild(length: number, weight = 1): void {
    this.checkSize(length);
    this.charge(weight * length);
  }

  /**
   * Counts what was built, or is about to be. Each operation by itself keeps to {@link checkSize}; together they must not fill the heap,
   * which no evaluation could be told of.
   *
   * @param size characters; for lists eight times their elements.
   */
  charge(size: number): void {
    this.#built += size;
    if (this.#built > this.limits.maxBuilt) {
      throw limitExceeded(`builds values of more than ${this.limits.maxBuilt} characters in all`);
    }
  }

  checkCollection(length: number): void {
    if (this.limitIterators >= 0 && length > this.limitIterators) throw collectionTooLarge(this.limitIterators);
  }

  /** @param bytes an estimate of CPython's `sys.getsizeof`; see memory.ts. */
  checkMemory(bytes: number): void {
    if (this.memoryQuota > 0 && bytes > this.memoryQuota) {
      throw new YaqlError('MemoryQuotaExceededException', 'Expression consumed too much memory');
    }
  }
}

export function collectionTooLarge(limit: number): YaqlError {
  return new YaqlError('CollectionTooLargeException', `Collection length exceeds ${limit} elements`);
}

/** Our own guards: the reference has none of them and would run on. */
export function limitExceeded(what: string): YaqlError {
  return new YaqlError('LimitExceededException', `The expression ${what}`);
}
