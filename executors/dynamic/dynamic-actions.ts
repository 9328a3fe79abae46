import type { Knex } from 'knex';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult, ParameterSchema } from '../../engine/contract.ts';
import { EngineError } from '../../engine/errors.ts';
import {
  dynamicActionId,
  findRunnable,
  loadContent,
  parametersOf,
  type DynamicActionRow,
  type ModuleDescription,
} from '../../engine/store/dynamic-actions.ts';
import { failure, success, type ActionContext, type AsyncAction, type SyncAction } from '../action.ts';
import { ChildError, ChildPool, type CallOptions } from '../javascript/child-pool.ts';
import { plainJson } from '../javascript/plain-json.ts';
import type { DescribedExport, ModuleOutcome, ModuleRequest } from './protocol.ts';

export interface DynamicOptions {
  readonly reader: Knex;
  /** Processes at once; each runs one action. */
  readonly processes: number;
  readonly memoryMegabytes: number;
  /** All that the code sees of this process's environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Enough to load a module; what runs at its top level is no action. */
const DESCRIBE_MS = 30_000;
const KEPT_CONTENTS = 20;

/**
 * Runs actions whose code is in the database (spec/engine.md E-28.3), in child processes. The code may do whatever this user of
 * the machine may: it comes from administrators, and is off unless the configuration switches it on.
 */
export class DynamicActions {
  private readonly reader: Knex;
  private readonly runners: ChildPool;
  private readonly readers: ChildPool;
  /** Texts of modules by source and version. */
  private readonly contents = new Map<string, string>();

  constructor(options: DynamicOptions) {
    this.reader = options.reader;
    const program = new URL('./module-child', import.meta.url);
    const nodeOptions = [`--max-old-space-size=${options.memoryMegabytes}`];
    const { environment } = options;
    this.runners = new ChildPool({ program, nodeOptions, environment, size: options.processes });
    this.readers = new ChildPool({ program, nodeOptions, environment, size: 1, callsPerChild: 1 });
  }

  /**
   * The action that a message names; null when it names no dynamic one. One that was deleted meanwhile only fails, and the code
   * is that of the present version of its source.
   */
  async find(systemName: string): Promise<SyncAction | AsyncAction | null> {
    const id = dynamicActionId(systemName);
    if (id === null) return null;
    const row = await findRunnable(this.reader, id);
    if (row === undefined) return deletedAction(systemName);
    const run = (input: JsonObject, context: ActionContext) => this.run(row, row.version, input, context);
    return { ...describedAction(row.name, parametersOf(row)), kind: row.is_async ? 'async' : 'sync', run };
  }

  /** @throws EngineError INVALID_INPUT when the content is no module that loads, or describes itself wrongly. */
  async describe(name: string, content: string): Promise<ModuleDescription> {
    const options = { signal: new AbortController().signal, timeoutMs: DESCRIBE_MS };
    const outcome = await ask(this.readers, { kind: 'describe', content }, options);
    if (outcome.kind === 'described') {
      return new Map(
        outcome.exports.map((one) => [
          one.name,
          { description: one.description, parameters: schemaOf(one.input), isAsync: one.isAsync },
        ]),
      );
    }
    const why = outcome.kind === 'raised' ? outcome.message : 'it fails while it is loaded.';
    throw new EngineError(
      'INVALID_INPUT',
      `The code source '${name}' is no JavaScript module that can be loaded: ${why}`,
    );
  }

  get processes(): readonly number[] {
    return this.runners.processes;
  }

  close(): void {
    this.runners.close();
    this.readers.close();
  }

  private async run(
    row: DynamicActionRow,
    version: number,
    input: JsonObject,
    { run, signal }: ActionContext,
  ): Promise<ActionResult> {
    const { actionExecutionId, taskExecutionId, taskName, workflowExecutionId, workflowName, projectId, callbackUrl } =
      run;
    const source = await this.content(row.code_source_id, version);
    if (source === null) return failure(`The code source of the action '${row.name}' was deleted.`);
    const request: ModuleRequest = {
      kind: 'run',
      content: source.content,
      className: row.class_name,
      input: plainJson(input),
      context: {
        actionExecutionId,
        taskExecutionId,
        taskName,
        workflowExecutionId,
        workflowName,
        projectId,
        callbackUrl,
      },
    };
    const outcome = await ask(this.runners, request, { signal, timeoutMs: null, key: source.key });
    switch (outcome.kind) {
      case 'value':
        return success(parseJson(outcome.json));
      case 'failed':
        return failure(parseJson(outcome.json));
      case 'raised':
        // The text of spec/engine.md E-7.3.
        return failure(
          `The action raised an exception [action=${row.name}, action_ex_id=${actionExecutionId}, msg='${outcome.message}']`,
        );
      case 'described':
        throw new Error('a run is answered by a value or an error');
    }
  }

  /** A newer version than the one asked for is as good. */
  private async content(sourceId: string, version: number): Promise<{ key: string; content: string } | null> {
    const key = `${sourceId}@${version}`;
    const known = this.contents.get(key);
    if (known !== undefined) return { key, content: known };
    const loaded = await loadContent(this.reader, sourceId);
    if (loaded === undefined) return null;
    const loadedKey = `${sourceId}@${loaded.version}`;
    this.contents.set(loadedKey, loaded.content);
    const oldest = this.contents.keys().next().value;
    if (this.contents.size > KEPT_CONTENTS && oldest !== undefined) this.contents.delete(oldest);
    return { key: loadedKey, content: loaded.content };
  }
}

async function ask(pool: ChildPool, request: ModuleRequest, options: CallOptions): Promise<ModuleOutcome> {
  try {
    return JSON.parse(await pool.call(JSON.stringify(request), options)) as ModuleOutcome;
  } catch (error) {
    if (!(error instanceof ChildError)) throw error;
    const message =
      error.why === 'timeout' ? `It did not end within ${(options.timeoutMs ?? 0) / 1000} seconds.` : error.message;
    return { kind: 'raised', message };
  }
}

function describedAction(name: string, parameters: ParameterSchema) {
  return {
    name,
    description: '',
    repeatSafe: false,
    parameters,
    result: { description: 'What its code returns.' },
    examples: [],
  };
}

function deletedAction(systemName: string): SyncAction {
  const anything: ParameterSchema = { type: 'object', properties: {}, required: [], additionalProperties: true };
  return {
    ...describedAction(systemName, anything),
    kind: 'sync',
    run: async () => failure('The dynamic action was deleted before it ran.'),
  };
}

function schemaOf(input: DescribedExport['input']): ParameterSchema {
  const entries = (input ?? []).flatMap((one) =>
    typeof one === 'string'
      ? [[one, {}] as const]
      : Object.entries(one).map(([name, value]) => [name, defaultOf(value)] as const),
  );
  return {
    type: 'object',
    properties: Object.fromEntries(entries),
    required: (input ?? []).filter((one) => typeof one === 'string'),
    additionalProperties: input === null,
  };
}

/** It came as JSON. */
function defaultOf(value: unknown): JsonObject {
  const json = value as Json;
  return isJsonObject(json) || json !== undefined ? { default: json } : {};
}
