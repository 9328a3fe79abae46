import type { ExpressionLanguage, YaqlOptions } from './scope.ts';

/** What an operator decides for every expression of the process, as the reference does (spec/expressions.md §11.8). */
export interface ExpressionSettings {
  readonly allowedLanguages: readonly ExpressionLanguage[];
  readonly yaql: YaqlOptions;
}

const DEFAULTS: ExpressionSettings = { allowedLanguages: ['yaql', 'jinja'], yaql: {} };

let current = DEFAULTS;

/** Once, before anything is evaluated. What a scope says for itself still goes first. */
export function configureExpressions(settings: Partial<ExpressionSettings>): void {
  current = { ...DEFAULTS, ...settings };
}

/** The same object until the next {@link configureExpressions}. */
export function expressionSettings(): ExpressionSettings {
  return current;
}
