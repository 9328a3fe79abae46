import type { Json } from '../json.ts';
import type { ExpressionHost } from './host.ts';

export type ExpressionLanguage = 'yaql' | 'jinja';

/** Where an expression is evaluated (spec/expressions.md §11.5). */
export interface ExpressionScope {
  /** `$` and `_`: data, or a `MappingView` over them. Never changed, never copied. */
  readonly data: unknown;
  /** `$__env`, `$__execution`, `$__task_execution` (without `$` in Jinja); null where absent. */
  readonly variables?: {
    readonly env?: Json;
    readonly execution?: Json;
    readonly taskExecution?: Json;
  };
  readonly host: ExpressionHost;
  /** By default both. */
  readonly allowedLanguages?: readonly ExpressionLanguage[];
  /** Limits of the `yaql` configuration group (spec/expressions.md §11.8). */
  readonly yaqlOptions?: YaqlOptions;
}

export interface YaqlOptions {
  readonly limitIterators?: number;
  readonly memoryQuota?: number;
  readonly convertSetsToLists?: boolean;
  readonly convertTuplesToLists?: boolean;
  readonly convertOutputData?: boolean;
  readonly iterableDicts?: boolean;
}
