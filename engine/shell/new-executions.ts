import type { Knex } from 'knex';
import { jsonEquals, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionCatalogue } from '../contract.ts';
import type { Env, FoundWorkflow, Limits } from '../core/env.ts';
import type { ExecutionId } from '../core/model.ts';
import { environmentOf, newExecution } from '../core/new-execution.ts';
import { createView, type ExecutionView } from '../core/view.ts';
import { EngineError } from '../errors.ts';
import type { Caller, StartExecution } from '../facade.ts';
import { newId } from '../ids.ts';
import type { Store } from '../store/connection.ts';
import type { DefinitionFinder } from '../store/definition-finder.ts';
import { findDefinition, findDefinitionById, type WorkflowRow } from '../store/definitions.ts';
import { normalUuid } from '../store/filters.ts';
import { GatheredReads } from '../store/gathered-reads.ts';
import type { Clock } from './clock.ts';
import { findEnvironment } from './lookups.ts';
import { userErrors } from './requests/answers.ts';

export interface ExecutionMakerOptions {
  readonly store: Store;
  readonly finder: DefinitionFinder;
  readonly catalogue: ActionCatalogue;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Publishers of every execution, after those that it asks for itself (spec/engine.md E-22.1). */
  readonly notify: readonly JsonObject[];
  /** @throws EngineError INVALID_INPUT for what is no list of publishers */
  readonly checkNotify: (notify: Json) => void;
}

/** What names the workflow of a new execution and what it gets. */
export type WantedExecution = Pick<
  StartExecution,
  'workflowId' | 'workflowName' | 'workflowNamespace' | 'input' | 'params' | 'description'
>;

/** Makes executions that are not stored yet: people's, and those of triggers (spec/engine.md §3 steps 1-5). */
export class ExecutionMaker {
  private readonly options: ExecutionMakerOptions;
  /** Many start the same workflow at the same time. */
  private readonly workflows: GatheredReads<WorkflowRow>;

  constructor(options: ExecutionMakerOptions) {
    this.options = options;
    this.workflows = new GatheredReads((keys) => readWorkflows(options.store.reader, keys));
  }

  /** @throws EngineError NOT_FOUND for the workflow, INVALID_INPUT for what it cannot take */
  async make(caller: Caller, wanted: WantedExecution, id: ExecutionId): Promise<ExecutionView> {
    const { store, clock } = this.options;
    const workflow = await this.findWorkflow(caller, wanted);
    const stored =
      typeof wanted.params.env === 'string'
        ? await findEnvironment(store.reader, wanted.params.env, caller.projectId)
        : null;
    const env = this.envForStart(clock.now(), stored);
    const notify = this.publishersOf(wanted.params);
    return userErrors(() => {
      const environment = environmentOf(env, wanted.params, caller.projectId);
      const namespace = typeof wanted.params.namespace === 'string' ? wanted.params.namespace : workflow.namespace;
      const record = newExecution(env, {
        id,
        workflow,
        input: wanted.input,
        params: { ...wanted.params, ...notify, namespace, env: environment },
        description: wanted.description ?? '',
        projectId: caller.projectId,
        parent: null,
      });
      return createView(workflow.spec, record, environment);
    });
  }

  /** By id, or by name in exactly that namespace (spec/rest-api.md §2.8). */
  async findWorkflow(
    caller: Caller,
    { workflowId, workflowName, workflowNamespace }: Omit<WantedExecution, 'input' | 'params' | 'description'>,
  ): Promise<FoundWorkflow> {
    const identifier = workflowId ?? workflowName;
    if (identifier === null || identifier === '') {
      throw new EngineError(
        'INVALID_INPUT',
        'Workflow ID or workflow name must be provided. Workflow ID is recommended.',
      );
    }
    const { projectId, isAdmin } = caller;
    const row = await this.workflows.read(JSON.stringify([identifier, workflowNamespace, projectId, isAdmin]));
    if (row === undefined) {
      throw new EngineError(
        'NOT_FOUND',
        `Workflow not found [workflow_identifier=${identifier}, namespace=${workflowNamespace}]`,
      );
    }
    return this.options.finder.toFound(row);
  }

  private publishersOf(params: JsonObject): JsonObject {
    const { notify: configured, checkNotify } = this.options;
    const own = params.notify ?? null;
    if (own !== null) checkNotify(own);
    const given: readonly Json[] = Array.isArray(own) ? own : [];
    // An execution that is started again from another one has them already.
    const missing = configured.filter((publisher) => !given.some((known) => jsonEquals(known, publisher)));
    return missing.length === 0 ? {} : { notify: [...given, ...missing] };
  }

  private envForStart(now: number, environment: JsonObject | null): Env {
    return {
      now,
      newId,
      catalogue: this.options.catalogue,
      findAction: () => null,
      findWorkflow: () => null,
      findEnvironment: () => environment,
      findRows: () => [],
      executorId: null,
      takeStep: () => true,
      limits: this.options.limits,
    };
  }
}

/** @param keys JSON of identifier, namespace, and the caller's project and rights. */
async function readWorkflows(reader: Knex, keys: readonly string[]): Promise<ReadonlyMap<string, WorkflowRow>> {
  const found = new Map<string, WorkflowRow>();
  await Promise.all(
    keys.map(async (key) => {
      const [identifier, namespace, projectId, isAdmin] = JSON.parse(key) as [string, string, string, boolean];
      const caller = { projectId, isAdmin };
      // Ids of definitions are always ours.
      const byId =
        normalUuid(identifier) === null ? undefined : await findDefinitionById(reader, 'workflows', caller, identifier);
      const row = byId ?? (await findDefinition(reader, 'workflows', caller, { name: identifier, namespace }));
      if (row !== undefined) found.set(key, row);
    }),
  );
  return found;
}
