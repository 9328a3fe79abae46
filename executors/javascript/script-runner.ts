import { parseJson, type Json } from '../../dsl/json.ts';
import { ChildError, ChildPool } from './child-pool.ts';
import { plainJson } from './plain-json.ts';
import type { ScriptOutcome, ScriptRequest } from './sandbox.ts';

export interface ScriptLimits {
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  readonly maxCharacters: number;
  /** Scripts at once. */
  readonly processes: number;
}

export const DEFAULT_SCRIPT_LIMITS: ScriptLimits = {
  timeoutMs: 60_000,
  memoryBytes: 64 * 1024 * 1024,
  maxCharacters: 4 * 1024 * 1024,
  processes: 2,
};

/** A script failed, by itself or at a limit. */
export class ScriptFailure extends Error {
  override readonly name = 'ScriptFailure';
}

/** The script's own limit of time ends it from inside; the process is killed this much later if that fails. */
const GRACE_MS = 5000;

/** Evaluates users' scripts in child processes. */
export class ScriptRunner {
  private readonly limits: ScriptLimits;
  private readonly pool: ChildPool;

  constructor(limits: ScriptLimits) {
    this.limits = limits;
    this.pool = new ChildPool({
      program: new URL('./sandbox-child', import.meta.url),
      nodeOptions: ['--max-old-space-size=128', '--stack-size=3900'],
      size: limits.processes,
    });
  }

  /** @throws ScriptFailure; the signal's reason when it is aborted. */
  async run(script: string, context: Json, signal: AbortSignal): Promise<Json> {
    const { timeoutMs, memoryBytes, maxCharacters } = this.limits;
    const request: ScriptRequest = { script, context: plainJson(context), timeoutMs, memoryBytes, maxCharacters };
    const outcome = await this.call(JSON.stringify(request), signal);
    if (outcome.kind === 'error') throw new ScriptFailure(outcome.message);
    return parseJson(outcome.json);
  }

  get processes(): readonly number[] {
    return this.pool.processes;
  }

  close(): void {
    this.pool.close();
  }

  private async call(text: string, signal: AbortSignal): Promise<ScriptOutcome> {
    const { timeoutMs } = this.limits;
    try {
      return JSON.parse(await this.pool.call(text, { signal, timeoutMs: timeoutMs + GRACE_MS })) as ScriptOutcome;
    } catch (error) {
      if (!(error instanceof ChildError)) throw error;
      const late = `The script did not end within ${timeoutMs / 1000} seconds.`;
      throw new ScriptFailure(error.why === 'timeout' ? late : error.message, { cause: error });
    }
  }
}
