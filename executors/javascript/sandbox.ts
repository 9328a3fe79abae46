import { randomUUID } from 'node:crypto';
import type { QuickJSContext, QuickJSHandle, QuickJSRuntime, QuickJSWASMModule } from 'quickjs-emscripten';
import { withBigints } from './plain-json.ts';

/** A script and its limits, as a child process gets it. */
export interface ScriptRequest {
  readonly script: string;
  /** JSON text: the value of `$`. */
  readonly context: string;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  /** Of the JSON text of the result. */
  readonly maxCharacters: number;
}

export type ScriptOutcome =
  /** JSON text with integers of any size. */
  { readonly kind: 'value'; readonly json: string } | { readonly kind: 'error'; readonly message: string };

export interface ScriptRun {
  readonly outcome: ScriptOutcome;
  /** The engine itself is in disorder: whatever comes next should find another one. */
  readonly isBroken: boolean;
}

/** Recursion beyond it is an error of the script. */
const STACK_BYTES = 1024 * 1024;

/**
 * Evaluates the body of a function in an engine of its own, which knows the language and nothing of the machine: no files, no network, no
 * timers. Never throws for what the script does.
 */
export function runScript(quickJs: QuickJSWASMModule, request: ScriptRequest): ScriptRun {
  const runtime = quickJs.newRuntime();
  const until = Date.now() + request.timeoutMs;
  let isOver = false;
  runtime.setMemoryLimit(request.memoryBytes);
  runtime.setMaxStackSize(STACK_BYTES);
  runtime.setInterruptHandler(() => (isOver = Date.now() > until));
  const context = runtime.newContext();
  const outcome = evaluate(runtime, context, request, () => isOver);
  try {
    context.dispose();
    runtime.dispose();
    return { outcome, isBroken: false };
  } catch {
    // After an overflow of its stack or memory the engine may find that it has lost something, and gives up.
    return { outcome, isBroken: true };
  }
}

function evaluate(
  runtime: QuickJSRuntime,
  context: QuickJSContext,
  request: ScriptRequest,
  isOver: () => boolean,
): ScriptOutcome {
  try {
    const json = new Evaluation(runtime, context).run(request.script, request.context);
    if (json.length <= request.maxCharacters) return { kind: 'value', json };
    return {
      kind: 'error',
      message: `The result is larger than ${request.maxCharacters} characters of JSON text.`,
    };
  } catch (error) {
    if (isOver())
      return { kind: 'error', message: `The script did not end within ${request.timeoutMs / 1000} seconds.` };
    return { kind: 'error', message: error instanceof Error ? error.message : String(error) };
  }
}

class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

class Evaluation {
  private readonly runtime: QuickJSRuntime;
  private readonly context: QuickJSContext;
  /** Stands before the digits of a bigint, which JSON text cannot hold otherwise. */
  private readonly mark = `bigint:${randomUUID()}:`;

  constructor(runtime: QuickJSRuntime, context: QuickJSContext) {
    this.runtime = runtime;
    this.context = context;
  }

  run(script: string, contextJson: string): string {
    const { context } = this;
    // Made before the script can change what they are made of.
    using(this.evaluate('JSON.parse', 'host.js'), (parse) =>
      using(context.newString(contextJson), (text) =>
        using(this.call(parse, text), (value) => context.setProp(context.global, '$', value)),
      ),
    );
    return using(this.evaluate(STRINGIFY, 'host.js'), (stringify) =>
      using(this.evaluate(`function f() {\n${script}\n}\nf()`, SCRIPT_NAME), (value) =>
        using(this.settled(value), (result) => this.toJson(stringify, result)),
      ),
    );
  }

  private evaluate(code: string, name: string): QuickJSHandle {
    return this.unwrap(this.context.evalCode(code, name));
  }

  private call(callee: QuickJSHandle, ...given: QuickJSHandle[]): QuickJSHandle {
    return this.unwrap(this.context.callFunction(callee, this.context.undefined, ...given));
  }

  private unwrap(result: ReturnType<QuickJSContext['evalCode']>): QuickJSHandle {
    if (result.error === undefined) return result.value;
    return using(result.error, (error) => {
      throw this.scriptError(error);
    });
  }

  /** The value, or what its promise is resolved with. */
  private settled(value: QuickJSHandle): QuickJSHandle {
    const { context, runtime } = this;
    let state = context.getPromiseState(value);
    if (state.type === 'pending') {
      const jobs = runtime.executePendingJobs();
      if (jobs.error !== undefined) {
        using(jobs.error, (error) => {
          throw this.scriptError(error);
        });
      }
      state = context.getPromiseState(value);
    }
    switch (state.type) {
      case 'fulfilled':
        return state.notAPromise === true ? value.dup() : state.value;
      case 'rejected':
        return using(state.error, (error) => {
          throw this.scriptError(error);
        });
      case 'pending':
        throw new ScriptError('The script returned a promise that nothing settles.');
    }
  }

  private toJson(stringify: QuickJSHandle, value: QuickJSHandle): string {
    const text = using(this.context.newString(this.mark), (mark) =>
      using(this.call(stringify, value, mark), (json) =>
        this.context.typeof(json) === 'string' ? this.context.getString(json) : 'null',
      ),
    );
    return withBigints(text, this.mark);
  }

  private scriptError(error: QuickJSHandle): ScriptError {
    const dumped: unknown = this.context.dump(error);
    // Without memory for an error QuickJS throws null.
    if (dumped === null) return new ScriptError('out of memory, or null was thrown');
    if (typeof dumped !== 'object') return new ScriptError(String(dumped));
    const { name, message, stack } = dumped as { name?: unknown; message?: unknown; stack?: unknown };
    if (typeof message !== 'string') return new ScriptError(JSON.stringify(dumped) ?? String(dumped));
    const line = lineOf(typeof stack === 'string' ? stack : '');
    return new ScriptError(
      `${typeof name === 'string' ? `${name}: ` : ''}${message}${line === null ? '' : ` (line ${line})`}`,
    );
  }
}

const SCRIPT_NAME = 'script.js';

const STRINGIFY = `(() => {
  const stringify = JSON.stringify;
  return (value, mark) => stringify(value, (key, item) => (typeof item === 'bigint' ? mark + item : item));
})()`;

/** The first place in the script; the line of the function's head does not count. */
function lineOf(stack: string): number | null {
  const match = /script\.js:(\d+)/.exec(stack);
  return match === null ? null : Math.max(1, Number(match[1]) - 1);
}

function using<T>(handle: QuickJSHandle, use: (handle: QuickJSHandle) => T): T {
  try {
    return use(handle);
  } finally {
    handle.dispose();
  }
}
