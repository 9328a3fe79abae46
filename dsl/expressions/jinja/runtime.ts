import type { Environment } from './environment.ts';
import { JinjaError } from './errors.ts';

/** What one evaluation may cost. */
export interface Limits {
  /** Loop rounds, calls and items looked at. */
  readonly steps: number;
  /** Characters of one text, members of one list. */
  readonly size: number;
  /** Characters of all texts and members of all lists (eight each) that are built. */
  readonly built: number;
  /** Macros inside macros, loops calling themselves. */
  readonly depth: number;
  /** Milliseconds. */
  readonly time: number;
}

export const DEFAULT_LIMITS: Limits = {
  steps: 2_000_000,
  size: 16_000_000,
  built: 500_000_000,
  depth: 200,
  time: 10_000,
};

/** The state of one evaluation: where names come from, and what may still be spent. */
export class Runtime {
  readonly environment: Environment;
  /** Looks up a variable of the host; undefined when there is none. */
  readonly variable: (name: string) => unknown;
  /** Whatever the host's functions need; templates never see it. */
  readonly host: unknown;
  /** Whether output is escaped for HTML just now (`{% autoescape %}`). */
  isEscaping = false;
  private readonly limits: Limits;
  private stepsLeft: number;
  private depth = 0;
  private members = 0;
  private built = 0;
  private spendings = 0;
  /** The clock starts at the first look at it: most evaluations never take as many steps. */
  private deadline = 0;

  constructor(
    environment: Environment,
    variable: (name: string) => unknown,
    host: unknown,
    limits: Limits = DEFAULT_LIMITS,
  ) {
    this.environment = environment;
    this.variable = variable;
    this.host = host;
    this.limits = limits;
    this.stepsLeft = limits.steps;
  }

  /** @throws RuntimeError when the evaluation has run for too long. */
  spend(steps = 1): void {
    this.stepsLeft -= steps;
    if (this.stepsLeft < 0) {
      throw new JinjaError('RuntimeError', `the expression takes more than ${this.limits.steps} steps`);
    }
    // A step may build a large value, so few go by between two looks.
    if ((++this.spendings & 0xf) === 0) this.checkTime();
  }

  /** @throws MemoryError when a value of this many characters or members would be too large. */
  checkSize(size: number): void {
    if (size > this.limits.size) {
      throw new JinjaError('MemoryError', `a value would have more than ${this.limits.size} characters or items`);
    }
  }

  /** Before a text, or with `weight` 8 a list, of this length is built: both limits. @throws MemoryError */
  willBuild(length: number, weight = 1): void {
    this.checkSize(length);
    this.charge(weight * length);
  }

  /** Counts a container on its way out of the evaluation. @throws MemoryError when there are too many. */
  countMember(): void {
    this.checkSize(++this.members);
  }

  /**
   * Counts what was built: one text keeps to {@link checkSize}, but all of them together must not fill the heap.
   *
   * @throws MemoryError
   */
  charge(size: number): void {
    this.built += size;
    if (this.built > this.limits.built) {
      throw new JinjaError('MemoryError', `all values together would have more than ${this.limits.built} characters`);
    }
  }

  /** Counts a text that a filter or method has made out of another one. */
  chargeText(made: unknown, from: unknown): void {
    if (typeof made === 'string' && made !== from) this.charge(made.length);
  }

  private checkTime(): void {
    const now = performance.now();
    if (this.deadline === 0) this.deadline = now + this.limits.time;
    if (now > this.deadline) {
      throw new JinjaError('RuntimeError', `the expression takes more than ${this.limits.time} ms`);
    }
  }

  nested<Result>(body: () => Result): Result {
    if (++this.depth > this.limits.depth) {
      throw new JinjaError('RecursionError', 'maximum recursion depth exceeded');
    }
    try {
      return body();
    } finally {
      this.depth--;
    }
  }

  escaping<Result>(isEscaping: boolean, body: () => Result): Result {
    const before = this.isEscaping;
    this.isEscaping = isEscaping;
    try {
      return body();
    } finally {
      this.isEscaping = before;
    }
  }
}
