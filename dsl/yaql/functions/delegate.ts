import type { Context } from '../context.ts';
import { FAST_BINARY, SLOW } from '../fast-operators.ts';
import { CallSite } from '../overloads.ts';

const DYNAMIC = { code: () => null };

/** An operator that a library function applies: found by name, so that a host's own version counts. */
export function binaryOperator(symbol: string): (context: Context, a: unknown, b: unknown) => unknown {
  const call = namedFunction(`#operator_${symbol}`, 2);
  const fast = FAST_BINARY.get(symbol);
  if (!fast) return call;
  return (context, a, b) => {
    if (context.run.plain && call.isStandard(context)) {
      const result = fast(a, b);
      if (result !== SLOW) return result;
    }
    return call(context, a, b);
  };
}

interface NamedFunction {
  (context: Context, ...values: unknown[]): unknown;
  isStandard(context: Context): boolean;
}

/** A function that a library function calls by name with this many arguments. */
export function namedFunction(name: string, arity: number): NamedFunction {
  const site = new CallSite(
    name,
    'function',
    Array.from({ length: arity }, () => DYNAMIC),
  );
  const call = (context: Context, ...values: unknown[]) => site.invokeWith(context, values);
  return Object.assign(call, { isStandard: (context: Context) => site.isStandard(context) });
}
