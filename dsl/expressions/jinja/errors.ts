import type { Explanation } from '../../yaql/errors.ts';

/**
 * A failure of a template. `className` is the reference's class of the failure (`UndefinedError`, `TypeError`, …): Jinja's own
 * classes and Python's built-in ones share this one class here, since nobody catches them apart.
 */
export class JinjaError extends Error {
  override readonly name = 'JinjaError';
  readonly className: string;
  #offset: number | null;
  #explain: (() => Explanation | null) | null = null;

  constructor(className: string, message: string, offset: number | null = null) {
    super(message);
    this.className = className;
    this.#offset = offset;
  }

  /** Offset in UTF-16 units in the template or expression text; null when unknown. */
  get offset(): number | null {
    return this.#offset;
  }

  /** Worked out when it is asked for: most errors are never shown to anybody. */
  get explanation(): Explanation | null {
    return this.#explain?.() ?? null;
  }

  /** Notes where the failure was. The first one to know is the innermost, and stays. */
  locate(offset: number): this {
    this.#offset ??= offset;
    return this;
  }

  explain(explain: () => Explanation | null): this {
    this.#explain = explain;
    return this;
  }
}

export function syntaxError(message: string, offset: number): JinjaError {
  return new JinjaError('TemplateSyntaxError', message, offset);
}

/** Found when a template is compiled, not when it is parsed: unknown filters and tests, blocks given twice. */
export function assertionError(message: string, offset: number | null = null): JinjaError {
  return new JinjaError('TemplateAssertionError', message, offset);
}

export function undefinedError(message: string): JinjaError {
  return new JinjaError('UndefinedError', message);
}

export function typeError(message: string): JinjaError {
  return new JinjaError('TypeError', message);
}

export function valueError(message: string): JinjaError {
  return new JinjaError('ValueError', message);
}

export function filterArgumentError(message: string): JinjaError {
  return new JinjaError('FilterArgumentError', message);
}

export function securityError(message: string): JinjaError {
  return new JinjaError('SecurityError', message);
}
