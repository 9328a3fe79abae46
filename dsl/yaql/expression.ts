import type { Ast } from './ast.ts';
import { Context, type Code } from './context.ts';
import { recursionError } from './errors.ts';
import { compile } from './evaluate.ts';
import { standardFunctions } from './functions/index.ts';
import { Limits, Run, limitExceeded, type Options } from './limits.ts';
import { convertOutput } from './output.ts';
import { parseTree } from './parser.ts';
import { dataPath, readPath } from './paths.ts';

/** A parsed expression; compiled when it is first evaluated, and then evaluated any number of times. */
export class Expression {
  readonly text: string;
  readonly tree: Ast;
  readonly #options: Options;
  readonly #limits: Limits;
  /** The names of a plain path into the data, which needs no scope. */
  readonly #path: readonly string[] | null;
  #code: Code | null = null;

  constructor(text: string, options: Options = {}) {
    this.text = text;
    this.#options = options;
    this.#limits = new Limits(options);
    try {
      this.tree = parseTree(text);
      this.#path = dataPath(this.tree);
    } catch (error) {
      throw asYaqlError(error);
    }
  }

  /**
   * The result with `$` bound to the data: JSON data, `PySet`, `PyDict`, `DateTime`, `TimeSpan`, `Regex`. The data is never changed or
   * copied, and the result may share parts of it: treat both as immutable.
   *
   * @param context or what makes it; it is asked for only when the expression needs more than the data.
   * @throws YaqlError; errors of host functions leave as they are.
   */
  evaluate(data: unknown, context?: Context | (() => Context), options?: Options): unknown {
    try {
      const found = this.#path === null ? undefined : readPath(data, this.#path);
      if (found !== undefined) return this.#output(found, null, options);
      const scope = this.#scope(data, typeof context === 'function' ? context() : context, options);
      return this.#output(this.compiled(scope), scope.run, options);
    } catch (error) {
      throw asYaqlError(error);
    }
  }

  /** The value as it is inside of expressions: possibly an iterator, which evaluates further when it is read. */
  evaluateRaw(data: unknown, context?: Context, options?: Options): unknown {
    try {
      return this.compiled(this.#scope(data, context, options));
    } catch (error) {
      throw asYaqlError(error);
    }
  }

  /** @internal For measuring: the code, which evaluations make when they first need it. */
  get compiled(): Code {
    this.#code ??= compile(this.tree);
    return this.#code;
  }

  #scope(data: unknown, context: Context | undefined, options: Options | undefined): Context {
    return (context ?? defaultContext()).childFor(this.#run(options), data);
  }

  #run(options: Options | undefined): Run {
    return new Run(options ? new Limits({ ...this.#options, ...options }) : this.#limits);
  }

  /** Only collections have to be converted, and only that needs the run. */
  #output(value: unknown, run: Run | null, options: Options | undefined): unknown {
    return typeof value === 'object' && value !== null ? convertOutput(value, run ?? this.#run(options)) : value;
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
function asYaqlError(error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return /call stack/.test(error.message) ? recursionError() : limitExceeded(`needs too much memory: ${error.message}`);
}
