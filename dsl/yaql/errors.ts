/** What would have been right, for people; the message alone is the reference's. */
export interface Explanation {
  /** Such as `did you mean 'len'?` or `argument 'count' is a string, expected int`. */
  readonly hint: string;
  /** How the function that was meant can be called: `<sequence: iterable>.limit(count: int)`. */
  readonly signatures: readonly string[];
}

/**
 * Anything that goes wrong with an expression: its text, the choice of a function, its values.
 *
 * The reference reports errors as Python exceptions, and workflows, logs and tests know them by class name. So one class carries
 * that name as data (spec/expressions.md §10) instead of a JavaScript class for each. Errors thrown by host functions that are
 * not a `YaqlError` leave an evaluation unchanged.
 */
export class YaqlError extends Error {
  /** The exception class of the reference: `KeyError`, `NoMatchingFunctionException`, … */
  readonly className: string;
  #position: number | null = null;
  #explain: (() => Explanation | null) | null = null;

  constructor(className: string, message: string) {
    super(message);
    this.name = 'YaqlError';
    this.className = className;
  }

  /** Where in the expression: offset in code points from 0 of the innermost operator or call that failed; null when unknown. */
  get position(): number | null {
    return this.#position;
  }

  /** Worked out when it is asked for: most errors are never shown to anybody. */
  get explanation(): Explanation | null {
    return this.#explain?.() ?? null;
  }

  /** Notes where the failure was. The first one to know is the innermost, and stays. */
  locate(position: number | null): this {
    this.#position ??= position;
    return this;
  }

  explain(explain: () => Explanation | null): this {
    this.#explain = explain;
    return this;
  }
}

/** The text is not an expression. `className` is YaqlLexicalException, YaqlGrammarException or UnicodeDecodeError; no position: the text ends too early. */
export class YaqlSyntaxError extends YaqlError {
  constructor(className: string, message: string, position: number | null) {
    super(className, message);
    this.name = 'YaqlSyntaxError';
    this.locate(position);
  }
}

export const typeError = (message: string) => new YaqlError('TypeError', message);
export const valueError = (message: string) => new YaqlError('ValueError', message);
export const indexError = (message: string) => new YaqlError('IndexError', message);
export const overflowError = (message: string) => new YaqlError('OverflowError', message);
export const zeroDivisionError = (message: string) => new YaqlError('ZeroDivisionError', message);
export const attributeError = (message: string) => new YaqlError('AttributeError', message);
export const stopIteration = (message = '') => new YaqlError('StopIteration', message);
export const recursionError = () => new YaqlError('RecursionError', 'maximum recursion depth exceeded');

/** For the end of a switch over a union: the compiler proves that it is never reached. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${String(value)}`);
}
