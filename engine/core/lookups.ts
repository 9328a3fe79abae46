import { LookupNeeded } from '../../dsl/expressions/host.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { Env, FoundAction, FoundWorkflow } from './env.ts';
import type { Lookup } from './model.ts';

/** The name under which the shell hands in the rows of a lookup. */
export function lookupKey(lookup: Lookup): string {
  return JSON.stringify(lookup);
}

/** Breaks the decision off: it is made again once the shell has loaded what is missing. */
export function need(lookup: Lookup): never {
  throw new LookupNeeded(lookup);
}

export function rowsOf(env: Env, lookup: Lookup): readonly JsonObject[] {
  return env.findRows(lookupKey(lookup)) ?? need(lookup);
}

export function payloadOf(env: Env, id: string): JsonObject {
  const lookup = { type: 'payload', id } as const;
  return rowsOf(env, lookup)[0] ?? need(lookup);
}

export function actionDefinition(env: Env, name: string, namespace: string, projectId: string): FoundAction | null {
  const found = env.findAction(name, namespace, projectId);
  return found === undefined ? need({ type: 'action-definition', name, namespace, projectId }) : found;
}

export function workflowDefinition(env: Env, name: string, namespace: string, projectId: string): FoundWorkflow | null {
  const found = env.findWorkflow(name, namespace, projectId);
  return found === undefined ? need({ type: 'workflow-definition', name, namespace, projectId }) : found;
}

export function environmentByName(env: Env, name: string, projectId: string): JsonObject | null {
  const found = env.findEnvironment(name, projectId);
  return found === undefined ? need({ type: 'environment', name, projectId }) : found;
}
