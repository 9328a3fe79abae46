import { ExpressionError } from '../errors.ts';
import { YaqlError } from '../yaql/errors.ts';
import { JinjaError } from './jinja/errors.ts';
import type { ExpressionLanguage } from './scope.ts';

/** A failure inside an evaluator, in words that both languages share. */
export interface Failure {
  readonly className: string;
  readonly message: string;
}

/**
 * What went wrong in an evaluation, or null for an error that is not the expression's: such as a host's `LookupNeeded`, which
 * must leave unchanged. JavaScript's own errors (a stack that is full, a slip of ours) are the expression's failure too.
 */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof JinjaError || error instanceof YaqlError) {
    return { className: error.className, message: error.message };
  }
  if (error instanceof RangeError) {
    const isStack = /call stack/.test(error.message);
    return isStack
      ? { className: 'RecursionError', message: 'maximum recursion depth exceeded' }
      : { className: 'OverflowError', message: error.message };
  }
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError) {
    return { className: 'InternalError', message: `internal error: ${error.message}` };
  }
  return null;
}

/** The error of an evaluation; anything that is not the expression's failure is thrown as it is. spec/expressions.md §11.6. */
export function evaluationError(language: ExpressionLanguage, expression: string, error: unknown): ExpressionError {
  const failure = failureOf(error);
  if (failure === null) throw error;
  const name = language === 'yaql' ? 'YAQL' : 'Jinja';
  return new ExpressionError(
    'evaluation',
    language,
    `Can not evaluate ${name} expression [expression=${expression}, error=${failure.message}]`,
    { errorClass: failure.className, cause: error },
  );
}

export function disabledError(language: ExpressionLanguage, kind: 'grammar' | 'evaluation'): ExpressionError {
  return new ExpressionError(kind, language, `The '${language}' expression language is disabled by the operator.`, {
    errorClass: kind === 'grammar' ? 'ExpressionGrammarException' : 'EvaluationException',
  });
}
