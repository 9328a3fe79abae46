import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { labelsOf, type LeaseScope } from '../../cluster-pool/contract.ts';
import type { RunContext } from '../../engine/contract.ts';
import { toNumber, toText } from '../inputs.ts';
import { serviceFromText, serviceNameOf, serviceText } from './services.ts';
import type { ClusterContext, ServiceName, Wish } from './service.ts';

/** An apply as its record keeps it: fixed before the first call, and read back at each step. */
export interface ApplyPlan {
  readonly service: ServiceName;
  readonly wish: Wish;
  /** Whether who applies is known: the outermost execution is looked up before the first call. */
  readonly isNamed: boolean;
  readonly ready: boolean;
  readonly readyMs: number;
  readonly pollMs: number;
  readonly ticket: string | null;
  /** What was granted. */
  readonly cluster: JsonObject | null;
  readonly grantedAtMs: number | null;
  /** The grant was seen to hold, and its end is provided for. */
  readonly isKept: boolean;
  /** Everything was taken back: the wish is over. */
  readonly isUndone: boolean;
  /** Why it was taken back, where nobody has asked for that. */
  readonly failure: string | null;
}

/** The plan of an input, or a sentence that says what would be right. */
export function planOf(input: JsonObject, run: RunContext, context: ClusterContext): ApplyPlan | string {
  const service = serviceNameOf(input, context);
  if (typeof service === 'string') return service;
  const labels = labelsOf(input.labels ?? {});
  if (labels === undefined) return 'labels must be a mapping of names to texts.';
  const type = either(input, 'type', 'consensus_plugin');
  const mode = either(input, 'mode', 'consensus_mode');
  if (type === undefined) return 'type and consensus_plugin are two names for one thing, and differ.';
  if (mode === undefined) return 'mode and consensus_mode are two names for one thing, and differ.';
  const given = text(input.user_id);
  const execution = run.workflowExecutionId;
  const scope = scopeOf(input.scope);
  return {
    service,
    isNamed: false,
    wish: {
      project: run.projectId,
      userId: given ?? '',
      isOwnUser: given === null,
      type,
      mode,
      size: toNumber(input.size ?? null),
      sizeMin: toNumber(input.size_min ?? null),
      labels,
      name: text(input.name),
      // A user id of its own holds one cluster: what an unclear apply has taken is then given again.
      allowMultiple: given !== null && input.allow_multiple === true,
      waitS: toNumber(input.wait ?? null) ?? 0,
      ttlS: toNumber(input.ttl ?? null),
      scope: execution === null ? 'none' : scope,
      leaseKey: run.actionExecutionId,
      executionId: execution,
      rootExecutionId: null,
      held: [],
    },
    ready: input.ready !== false,
    readyMs: (toNumber(input.ready_timeout ?? null) ?? 120) * 1000,
    pollMs: (toNumber(input.poll_interval ?? null) ?? 5) * 1000,
    ticket: null,
    cluster: null,
    grantedAtMs: null,
    isKept: false,
    isUndone: false,
    failure: null,
  };
}

/** `wf-<outermost execution>/<action execution>`: nobody else has it (spec/cluster.md §2). */
export function ownUserId(run: RunContext, root: string | null): string {
  return `wf-${root ?? run.workflowExecutionId ?? 'none'}/${run.actionExecutionId}`;
}

export function planToData(plan: ApplyPlan): JsonObject {
  const { service, wish, ...rest } = plan;
  return {
    ...rest,
    service: serviceText(service),
    wish: { ...wish, labels: { ...wish.labels }, held: [...wish.held] },
  };
}

export function planFromData(data: JsonObject): ApplyPlan {
  const wish = isJsonObject(data.wish) ? data.wish : {};
  return {
    service: serviceFromText(data.service),
    isNamed: data.isNamed === true,
    wish: {
      project: text(wish.project) ?? '',
      userId: text(wish.userId) ?? '',
      isOwnUser: wish.isOwnUser === true,
      type: text(wish.type),
      mode: text(wish.mode),
      size: toNumber(wish.size ?? null),
      sizeMin: toNumber(wish.sizeMin ?? null),
      labels: labelsOf(wish.labels ?? {}) ?? {},
      name: text(wish.name),
      allowMultiple: wish.allowMultiple === true,
      waitS: toNumber(wish.waitS ?? null) ?? 0,
      ttlS: toNumber(wish.ttlS ?? null),
      scope: scopeOf(wish.scope),
      leaseKey: text(wish.leaseKey) ?? '',
      executionId: text(wish.executionId),
      rootExecutionId: text(wish.rootExecutionId),
      held: Array.isArray(wish.held) ? wish.held.map(String) : [],
    },
    ready: data.ready === true,
    readyMs: toNumber(data.readyMs ?? null) ?? 120_000,
    pollMs: toNumber(data.pollMs ?? null) ?? 5000,
    ticket: text(data.ticket),
    cluster: isJsonObject(data.cluster) ? data.cluster : null,
    grantedAtMs: toNumber(data.grantedAtMs ?? null),
    isKept: data.isKept === true,
    isUndone: data.isUndone === true,
    failure: text(data.failure),
  };
}

function either(input: JsonObject, ours: string, cellos: string): string | null | undefined {
  const [one, other] = [text(input[ours]), text(input[cellos])];
  return one !== null && other !== null && one !== other ? undefined : (one ?? other);
}

function scopeOf(value: Json | undefined): LeaseScope {
  return value === 'root' || value === 'none' ? value : 'execution';
}

function text(value: Json | undefined): string | null {
  return value === undefined || value === null || value === '' ? null : toText(value);
}
