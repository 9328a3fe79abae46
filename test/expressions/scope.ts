import type { ExpressionHost } from '../../dsl/expressions/host.ts';
import type { ExpressionScope } from '../../dsl/expressions/index.ts';

/** A scope over the data whose host knows nothing but what is given. */
export function scopeWith(data: unknown, host: Partial<ExpressionHost> = {}): ExpressionScope {
  return {
    data,
    host: {
      env: () => null,
      execution: () => null,
      executions: () => [],
      task: () => null,
      tasks: () => [],
      global: () => null,
      ...host,
    },
  };
}
