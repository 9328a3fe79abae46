import { ExpressionError, type Explanation } from '../errors.ts';
import { YaqlError } from '../yaql/errors.ts';
import { JinjaError } from './jinja/errors.ts';
import type { ExpressionLanguage } from './scope.ts';

/** A failure inside an evaluator, in words that both languages share. */
export interface Failure {
  readonly className: string;
  readonly message: string;
  /** Offset of the fault as the evaluator counts: YAQL in code points, Jinja in UTF-16 units; null when unknown. */
  readonly position: number | null;
  readonly explain: () => Explanation | null;
}

/**
 * What went wrong in an evaluation, or null for an error that is not the expression's: such as a host's `LookupNeeded`, which
 * must leave unchanged. JavaScript's own errors (a stack that is full, a slip of ours) are the expression's failure too.
 */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof JinjaError || error instanceof YaqlError) {
    const { className, message } = error;
    const position = error instanceof YaqlError ? error.position : error.offset;
    return { className, message, position, explain: () => error.explanation };
  }
  if (error instanceof RangeError) {
    const isStack = /call stack/.test(error.message);
    return isStack
      ? plainFailure('RecursionError', 'maximum recursion depth exceeded')
      : plainFailure('OverflowError', error.message);
  }
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError) {
    return plainFailure('InternalError', `internal error: ${error.message}`);
  }
  return null;
}

function plainFailure(className: string, message: string): Failure {
  return { className, message, position: null, explain: () => null };
}

/**
 * The error of an evaluation; anything that is not the expression's failure is thrown as it is. spec/expressions.md §11.6.
 *
 * @param place turns the evaluator's position into an offset in the whole text.
 */
export function evaluationError(
  language: ExpressionLanguage,
  expression: string,
  error: unknown,
  place: (position: number) => number = (position) => position,
): ExpressionError {
  const failure = failureOf(error);
  if (failure === null) throw error;
  const { className, position, explain } = failure;
  const name = language === 'yaql' ? 'YAQL' : 'Jinja';
  return new ExpressionError(
    'evaluation',
    language,
    `Can not evaluate ${name} expression [expression=${expression}, error=${failure.message}]`,
    { errorClass: className, cause: error, offset: position === null ? null : place(position), explain },
  );
}

export function disabledError(language: ExpressionLanguage, kind: 'grammar' | 'evaluation'): ExpressionError {
  return new ExpressionError(kind, language, `The '${language}' expression language is disabled by the operator.`, {
    errorClass: kind === 'grammar' ? 'ExpressionGrammarException' : 'EvaluationException',
  });
}
