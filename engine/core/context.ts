import { copyObject, isJsonObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';
import type { ContextDelta, TaskExecutionId } from './model.ts';

/**
 * The branch context of a task: variables published so far, as a chain of differences that share structure
 * (design.md §3). `versions` counts for each leaf path (`a.b.c`) how often it was published: joins merge by it
 * (spec/engine.md E-5.3).
 */
export interface ContextNode {
  readonly base: ContextNode | null;
  readonly own: JsonObject;
  readonly versions: Readonly<Record<string, number>>;
  /** Nodes down to the end of the chain, in memory. */
  readonly depth: number;
  /** Rows to read to rebuild this node from the store, and the variables in them. */
  readonly storedHops: number;
  readonly storedKeys: number;
}

export const EMPTY_CONTEXT: ContextNode = {
  base: null,
  own: {},
  versions: {},
  depth: 0,
  storedHops: 0,
  storedKeys: 0,
};

// Chains longer than this are flattened in memory, so that reading a variable stays cheap and superseded values can be freed.
const MAX_DEPTH = 64;
// A full copy is stored only after this many rows, and when it is smaller than what would have to be read: O(n) bytes in all.
const MIN_STORED_HOPS = 32;

export function contextGet(node: ContextNode, key: string): Json | undefined {
  for (let at: ContextNode | null = node; at !== null; at = at.base) {
    if (Object.hasOwn(at.own, key)) return at.own[key];
  }
  return undefined;
}

/** All variables as one mapping, in order of first publication. */
export function flattenContext(node: ContextNode): JsonObject {
  if (node.base === null) return node.own;
  const result: Record<string, Json> = {};
  for (const at of chain(node)) for (const key of Object.keys(at.own)) setKey(result, key, at.own[key] as Json);
  return result;
}

function flattenVersions(node: ContextNode): Record<string, number> {
  const result: Record<string, number> = {};
  for (const at of chain(node)) Object.assign(result, at.versions);
  return result;
}

/** Oldest first. */
function chain(node: ContextNode): ContextNode[] {
  const nodes: ContextNode[] = [];
  for (let at: ContextNode | null = node; at !== null; at = at.base) nodes.push(at);
  return nodes.reverse();
}

function versionOf(node: ContextNode, path: string): number {
  for (let at: ContextNode | null = node; at !== null; at = at.base) {
    // A variable may be called `constructor`: only own keys count.
    if (Object.hasOwn(at.versions, path)) return at.versions[path] ?? 0;
  }
  return 0;
}

/** What a task hands on: its inbound context overlaid by what it published, shallowly per variable (spec/engine.md E-5.1). */
export function outboundContext(inbound: ContextNode, published: JsonObject | null): ContextNode {
  if (published === null || Object.keys(published).length === 0) return inbound;
  const versions: Record<string, number> = {};
  for (const path of leafPaths(published)) versions[path] = versionOf(inbound, path) + 1;
  return extend(inbound, published, versions);
}

/**
 * The inbound context of a task that follows one other: nothing of its own.
 * From time to time everything is stored again in full, so that a restart need not read the whole chain.
 */
export function inheritContext(
  from: TaskExecutionId,
  outbound: ContextNode,
): { delta: ContextDelta; node: ContextNode } {
  if (isWorthCopying(outbound)) return wholeContext(outbound);
  const node: ContextNode = { ...outbound, storedHops: outbound.storedHops + 1 };
  return { delta: { base: from, own: {}, versions: {} }, node };
}

function isWorthCopying(node: ContextNode): boolean {
  if (node.storedHops < MIN_STORED_HOPS || node.storedHops % MIN_STORED_HOPS !== 0) return false;
  return node.storedKeys >= 2 * Object.keys(flattenContext(node)).length;
}

/** The same variables without a base. */
export function wholeContext(node: ContextNode): { delta: ContextDelta; node: ContextNode } {
  return fullContext(flattenContext(node), flattenVersions(node));
}

function fullContext(own: JsonObject, versions: Readonly<Record<string, number>>) {
  const node: ContextNode = { base: null, own, versions, depth: 0, storedHops: 0, storedKeys: Object.keys(own).length };
  return { delta: { base: null, own, versions }, node };
}

export interface Upstream {
  readonly id: TaskExecutionId;
  readonly outbound: ContextNode;
}

/**
 * The inbound context of a join: the outbound contexts of its upstream tasks merged in the order given, which is that of their
 * completion. Of two values for one variable the one with the greater counter wins, of equal counters the later
 * (spec/engine.md E-5.3, §30 item 8).
 */
export function mergeContexts(upstream: readonly Upstream[]): { delta: ContextDelta; node: ContextNode } {
  const first = upstream[0];
  if (first === undefined) return { delta: { base: null, own: {}, versions: {} }, node: EMPTY_CONTEXT };
  if (upstream.length === 1) return inheritContext(first.id, first.outbound);
  const own: Record<string, Json> = {};
  const versions: Record<string, number> = {};
  const merged: Merged = { base: first.outbound, chain: new Set(chain(first.outbound)), own, versions };
  for (const other of upstream.slice(1)) mergeContext(merged, other.outbound);
  if (Object.keys(own).length + Object.keys(versions).length === 0) return inheritContext(first.id, first.outbound);
  const node = extend(first.outbound, own, versions);
  if (isWorthCopying(node)) return wholeContext(node);
  return { delta: { base: first.id, own, versions }, node: { ...node, storedHops: first.outbound.storedHops + 1 } };
}

interface Merged {
  readonly base: ContextNode;
  readonly chain: ReadonlySet<ContextNode>;
  readonly own: Record<string, Json>;
  readonly versions: Record<string, number>;
}

// Only variables that one side published since the sides parted can differ: what lies in nodes that both have is the same.
function mergeContext(merged: Merged, right: ContextNode): void {
  const rightNodes = unsharedPart(right, merged.chain);
  const leftNodes = unsharedPart(merged.base, new Set(chain(right)));
  const keys = new Set([...leftNodes, ...rightNodes].flatMap((node) => Object.keys(node.own)));
  for (const key of keys) mergeVariable(merged, key, right);
  const versions: Record<string, number> = {};
  for (const node of rightNodes) Object.assign(versions, node.versions);
  for (const [path, version] of Object.entries(versions)) {
    merged.versions[path] = Math.max(mergedVersion(merged, path), version);
  }
}

/** Oldest first. */
function unsharedPart(node: ContextNode, shared: ReadonlySet<ContextNode>): ContextNode[] {
  const nodes: ContextNode[] = [];
  for (let at: ContextNode | null = node; at !== null && !shared.has(at); at = at.base) nodes.push(at);
  return nodes.reverse();
}

function mergedVersion(merged: Merged, path: string): number {
  return Object.hasOwn(merged.versions, path) ? (merged.versions[path] ?? 0) : versionOf(merged.base, path);
}

function mergeVariable(merged: Merged, key: string, rightContext: ContextNode): void {
  const right = contextGet(rightContext, key);
  if (right === undefined) return;
  const left = Object.hasOwn(merged.own, key) ? merged.own[key] : contextGet(merged.base, key);
  const value = left === undefined ? right : mergeValue(merged, key, left, right, rightContext);
  if (value !== left) setKey(merged.own, key, value);
}

function mergeValue(merged: Merged, path: string, left: Json, right: Json, rightContext: ContextNode): Json {
  if (left === right) return left;
  if (isJsonObject(left) && isJsonObject(right)) {
    const result: Record<string, Json> = copyObject(left);
    let isSame = true;
    for (const key of Object.keys(right)) {
      const old = Object.hasOwn(left, key) ? left[key] : undefined;
      const value = right[key] as Json;
      const both = old === undefined ? value : mergeValue(merged, `${path}.${key}`, old, value, rightContext);
      if (both !== old) isSame = false;
      setKey(result, key, both);
    }
    return isSame ? left : result;
  }
  return versionOf(rightContext, path) >= mergedVersion(merged, path) ? right : left;
}

function extend(base: ContextNode, own: JsonObject, versions: Readonly<Record<string, number>>): ContextNode {
  const storedKeys = base.storedKeys + Object.keys(own).length;
  if (base.depth < MAX_DEPTH) {
    return { base, own, versions, depth: base.depth + 1, storedHops: base.storedHops, storedKeys };
  }
  const chained: ContextNode = { base, own, versions, depth: base.depth + 1, storedHops: 0, storedKeys: 0 };
  return {
    base: null,
    own: flattenContext(chained),
    versions: flattenVersions(chained),
    depth: 0,
    storedHops: base.storedHops,
    storedKeys,
  };
}

/** Rebuilds a node from a stored difference. */
export function contextFromDelta(delta: ContextDelta, base: ContextNode): ContextNode {
  if (delta.base === null) return fullContext(delta.own, delta.versions).node;
  if (Object.keys(delta.own).length + Object.keys(delta.versions).length === 0)
    return { ...base, storedHops: base.storedHops + 1 };
  const node = extend(base, delta.own, delta.versions);
  return { ...node, storedHops: base.storedHops + 1 };
}

/** `{a: {b: 1, c: [2]}}` has the leaves `a.b` and `a.c`. An empty mapping has none below it and counts itself. */
function leafPaths(value: JsonObject, prefix = ''): string[] {
  const paths: string[] = [];
  for (const key of Object.keys(value)) {
    const item = value[key] as Json;
    const path = `${prefix}${key}`;
    if (isJsonObject(item) && Object.keys(item).length > 0) paths.push(...leafPaths(item, `${path}.`));
    else paths.push(path);
  }
  return paths;
}
