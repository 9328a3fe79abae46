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

  constructor(className: string, message: string) {
    super(message);
    this.name = 'YaqlError';
    this.className = className;
  }
}

/** The text is not an expression. `className` is YaqlLexicalException, YaqlGrammarException or UnicodeDecodeError. */
export class YaqlSyntaxError extends YaqlError {
  /** Offset in code points from 0; null when the text ends too early. */
  readonly position: number | null;

  constructor(className: string, message: string, position: number | null) {
    super(className, message);
    this.name = 'YaqlSyntaxError';
    this.position = position;
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
