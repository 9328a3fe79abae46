import type { Knex } from 'knex';
import type { FoundAction, FoundWorkflow } from '../core/env.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { definitionsEpoch } from '../store/definitions.ts';

/**
 * What names mean, as far as decisions have asked. It is dropped whenever the definitions' epoch moves: a decision on old
 * meanings is then made again (design.md §2).
 */
export class DefinitionCache {
  private known: number | null = null;
  private readonly actions = new Map<string, FoundAction | null>();
  private readonly workflows = new Map<string, FoundWorkflow | null>();
  private readonly environments = new Map<string, JsonObject | null>();

  action(name: string, namespace: string, projectId: string): FoundAction | null | undefined {
    return this.actions.get(keyOf(name, namespace, projectId));
  }

  setAction(name: string, namespace: string, projectId: string, found: FoundAction | null): void {
    this.actions.set(keyOf(name, namespace, projectId), found);
  }

  workflow(name: string, namespace: string, projectId: string): FoundWorkflow | null | undefined {
    return this.workflows.get(keyOf(name, namespace, projectId));
  }

  setWorkflow(name: string, namespace: string, projectId: string, found: FoundWorkflow | null): void {
    this.workflows.set(keyOf(name, namespace, projectId), found);
  }

  environment(name: string, projectId: string): JsonObject | null | undefined {
    return this.environments.get(keyOf(name, '', projectId));
  }

  setEnvironment(name: string, projectId: string, found: JsonObject | null): void {
    this.environments.set(keyOf(name, '', projectId), found);
  }

  /** The epoch that everything here is of; read from the database once. */
  async epoch(knex: Knex): Promise<number> {
    this.known ??= await definitionsEpoch(knex);
    return this.known;
  }

  get knownEpoch(): number | null {
    return this.known;
  }

  /** What was cached at another epoch counts no more. */
  moveTo(epoch: number): void {
    if (this.known !== epoch) this.clear();
    this.known = epoch;
  }

  clear(): void {
    this.actions.clear();
    this.workflows.clear();
    this.environments.clear();
  }
}

function keyOf(name: string, namespace: string, projectId: string): string {
  return JSON.stringify([name, namespace, projectId]);
}
