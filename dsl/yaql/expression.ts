import type { Ast } from './ast.ts';
import { Context, type Code } from './context.ts';
import { YaqlError, recursionError } from './errors.ts';
import { compile } from './evaluate.ts';
import { standardFunctions } from './functions/index.ts';
import { Run, limitExceeded, type Options } from './limits.ts';
import { convertOutput } from './output.ts';
import { parseTree } from './parser.ts';

/** A parsed expression; compiled when it is first evaluated, and then evaluated any number of times. */
export class Expression {
  readonly text: string;
  readonly tree: Ast;
  readonly #options: Options;
  #code: Code | null = null;

  constructor(text: string, options: Options = {}) {
    this.text = text;
    this.#options = options;
    this.tree = guarded(() => parseTree(text));
  }

  /**
   * The result with `$` bound to the data: JSON data, `PySet`, `PyDict`, `DateTime`, `TimeSpan`, `Regex`. The data is never changed or
   * copied, and the result may share parts of it: treat both as immutable.
   *
   * @throws YaqlError; errors of host functions leave as they are.
   */
  evaluate(data: unknown, context?: Context, options?: Options): unknown {
    return guarded(() => {
      const scope = this.#scope(data, context, options);
      return convertOutput(this.#compiled()(scope), scope.run);
    });
  }

  /** The value as it is inside of expressions: possibly an iterator, which evaluates further when it is read. */
  evaluateRaw(data: unknown, context?: Context, options?: Options): unknown {
    return guarded(() => this.#compiled()(this.#scope(data, context, options)));
  }

  #compiled(): Code {
    this.#code ??= compile(this.tree);
    return this.#code;
  }

  #scope(data: unknown, context: Context | undefined, options: Options | undefined): Context {
    const run = new Run(options ? { ...this.#options, ...options } : this.#options);
    const scope = (context ?? defaultContext()).childFor(run);
    if (data !== undefined) scope.first = data;
    return scope;
  }
}

/** @throws YaqlSyntaxError with the position of what is wrong. */
export function parse(text: string, options: Options = {}): Expression {
  return new Expression(text, options);
}

/** A scope with the standard library, or inside the given one. Register functions and set variables on it. */
export function createContext(options: { readonly parent?: Context } = {}): Context {
  const { parent } = options;
  return parent ? parent.child() : new Context(null, new Run(), standardFunctions());
}

let shared: Context | undefined;

function defaultContext(): Context {
  shared ??= createContext();
  return shared;
}

/** JavaScript's own errors of exhaustion are ordinary errors of the expression. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError) || error instanceof YaqlError) throw error;
    throw /call stack/.test(error.message)
      ? recursionError()
      : limitExceeded(`needs too much memory: ${error.message}`);
  }
}
