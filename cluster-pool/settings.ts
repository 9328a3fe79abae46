import { isJsonObject } from '../dsl/json.ts';
import type { Json, JsonObject } from '../dsl/json.ts';
import { EngineError } from '../engine/errors.ts';
import { labelsOf } from './contract.ts';
import type { Recycle } from './store/rows.ts';

/** What the configuration says of a pool (spec/cluster.md §4); the names are those of the file. */
export interface PoolSettings {
  readonly name: string;
  readonly provider: string;
  readonly type: string;
  readonly mode: string;
  readonly sizes: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: number;
  readonly minFree: number;
  readonly maxLeaseSeconds: number | null;
  readonly defaultTtl: number | null;
  readonly recycle: Recycle;
  /** All of it, for the provider: what is not named here is the provider's own. */
  readonly config: JsonObject;
}

/** How the service works, for all pools. Times in seconds. */
export interface ServiceSettings {
  /** How often what is due is looked for. */
  readonly tickSeconds: number;
  readonly healthSeconds: number;
  /** So many checks in a row make it unhealthy. */
  readonly healthTries: number;
  readonly reaperSeconds: number;
  /** How long jobs of an ended execution may take to end before their clusters are taken from them. */
  readonly releaseGraceSeconds: number;
  /** How long the place in line of a caller who holds his connection open outlives the server that has it. */
  readonly attendedSeconds: number;
  /** How long a host may be silent before its clusters are not offered any more. */
  readonly hostSilenceSeconds: number;
  readonly createTries: number;
  /** Before the second try; each further one waits twice as long. */
  readonly retrySeconds: number;
  /** Open leases and waiting tickets that one project may have. */
  readonly maxLeases: number;
  readonly maxTickets: number;
  /** Whether a paused execution keeps its leases alive. */
  readonly renewPaused: boolean;
  /** Release, start and stop only for who holds the cluster. */
  readonly requireOwner: boolean;
  /** `strict`: the body's code is the HTTP status, too. */
  readonly envelope: 'cello' | 'strict';
  /** Ends free clusters when the server stops. */
  readonly stopFreeOnShutdown: boolean;
  readonly retentionDays: number;
}

export const DEFAULT_SERVICE: ServiceSettings = Object.freeze({
  tickSeconds: 2,
  healthSeconds: 5,
  healthTries: 3,
  reaperSeconds: 10,
  releaseGraceSeconds: 60,
  attendedSeconds: 60,
  hostSilenceSeconds: 60,
  createTries: 3,
  retrySeconds: 5,
  maxLeases: 1000,
  maxTickets: 10_000,
  renewPaused: true,
  requireOwner: false,
  envelope: 'cello',
  stopFreeOnShutdown: false,
  retentionDays: 7,
});

/** Providers by name: what their clusters are by default. */
const KINDS: Readonly<Record<string, { readonly type: string; readonly mode: string; readonly recycle: Recycle }>> = {
  static: { type: 'spark', mode: 'standalone', recycle: 'none' },
  fake: { type: 'spark', mode: 'standalone', recycle: 'recreate' },
  command: { type: 'spark', mode: 'standalone', recycle: 'recreate' },
  cello: { type: 'spark', mode: 'standalone', recycle: 'recreate' },
  'spark-standalone': { type: 'spark', mode: 'standalone', recycle: 'recreate' },
  'flink-session': { type: 'flink', mode: 'session', recycle: 'recreate' },
};

/**
 * Reads the section `pools` of the configuration.
 *
 * @param others further names of providers.
 * @throws EngineError INVALID_INPUT naming the pool, the setting and what would be right.
 */
export function readPools(section: JsonObject, others: readonly string[] = []): readonly PoolSettings[] {
  return Object.entries(section).map(([name, value]) => {
    if (!isJsonObject(value)) throw wrong(name, 'it must be a mapping with a provider');
    return readPool(name, value, others);
  });
}

/** Reads the section `clusters`: {@link ServiceSettings} by their names in the file. */
export function readService(section: JsonObject): ServiceSettings {
  const settings: Record<string, unknown> = { ...DEFAULT_SERVICE };
  for (const [key, value] of Object.entries(section)) {
    const known = Object.hasOwn(SERVICE_KEYS, key) ? SERVICE_KEYS[key] : undefined;
    if (known === undefined) {
      throw new EngineError(
        'INVALID_INPUT',
        `clusters: unknown setting '${key}'; known are ${Object.keys(SERVICE_KEYS).join(', ')}`,
      );
    }
    const read = known.read(value);
    if (read === undefined)
      throw new EngineError('INVALID_INPUT', `clusters: ${key} is wrong; it should be ${known.expects}`);
    settings[known.field] = read;
  }
  return settings as unknown as ServiceSettings;
}

interface ServiceKey {
  readonly field: keyof ServiceSettings;
  readonly expects: string;
  readonly read: (value: Json) => unknown;
}

const SERVICE_KEYS: Readonly<Record<string, ServiceKey>> = {
  tick_seconds: seconds('tickSeconds'),
  health_seconds: seconds('healthSeconds'),
  health_tries: count('healthTries', 1),
  reaper_seconds: seconds('reaperSeconds'),
  release_grace: seconds('releaseGraceSeconds'),
  attended_seconds: seconds('attendedSeconds'),
  host_silence_seconds: seconds('hostSilenceSeconds'),
  create_tries: count('createTries', 1),
  retry_seconds: seconds('retrySeconds'),
  max_leases: count('maxLeases', 0),
  max_tickets: count('maxTickets', 0),
  renew_paused: flag('renewPaused'),
  require_owner: flag('requireOwner'),
  strict: {
    field: 'envelope',
    expects: 'true or false',
    read: (value) => (typeof value === 'boolean' ? (value ? 'strict' : 'cello') : undefined),
  },
  shutdown: {
    field: 'stopFreeOnShutdown',
    expects: 'keep or stop_clusters',
    read: (value) => (value === 'stop_clusters' ? true : value === 'keep' ? false : undefined),
  },
  retention_days: count('retentionDays', 0),
};

function seconds(field: keyof ServiceSettings): ServiceKey {
  return {
    field,
    expects: 'a number of seconds above 0',
    read: (value) => (typeof value === 'number' && value > 0 && value <= 86_400 ? value : undefined),
  };
}

function count(field: keyof ServiceSettings, least: number): ServiceKey {
  return { field, expects: `a number, at least ${least}`, read: (value) => integer(value, least) };
}

function flag(field: keyof ServiceSettings): ServiceKey {
  return { field, expects: 'true or false', read: (value) => (typeof value === 'boolean' ? value : undefined) };
}

function readPool(name: string, config: JsonObject, others: readonly string[]): PoolSettings {
  const { provider = null } = config;
  if (!/^[\w.-]{1,80}$/.test(name))
    throw wrong(name, 'its name may have up to 80 letters, digits, dots, dashes, underscores');
  const known = [...Object.keys(KINDS), ...others];
  if (typeof provider !== 'string' || !known.includes(provider))
    throw wrong(name, `provider should be one of ${known.join(', ')}`);
  const kind = KINDS[provider] ?? { type: 'spark', mode: 'standalone', recycle: 'recreate' };
  const clusters = provider === 'static' ? staticClusters(name, config) : null;
  const capacity = clusters?.length ?? optional(name, config, 'capacity', 1, 'a number of clusters, at least 1') ?? 1;
  const minFree = clusters?.length ?? optional(name, config, 'min_free', 0, 'a number of clusters') ?? 0;
  if (minFree > capacity)
    throw wrong(name, `min_free is ${minFree}, more than the capacity of ${capacity}; it should be at most that`);
  return {
    name,
    provider,
    type: word(name, config, 'type') ?? kind.type,
    mode: word(name, config, 'mode') ?? kind.mode,
    sizes: sizesOf(name, config),
    labels: poolLabels(name, config),
    capacity,
    minFree,
    maxLeaseSeconds: optional(name, config, 'max_lease_seconds', 1, 'a number of seconds, at least 1'),
    defaultTtl: optional(name, config, 'default_ttl', 1, 'a number of seconds, at least 1'),
    recycle: recycleOf(name, provider, config) ?? kind.recycle,
    config,
  };
}

/** The registered clusters of a `static` pool, checked: each with endpoints. */
export function staticClusters(name: string, config: JsonObject): readonly StaticCluster[] {
  const { clusters = null } = config;
  if (!Array.isArray(clusters) || clusters.length === 0)
    throw wrong(name, 'clusters should be a list of {name, endpoints: {…}}');
  const read = clusters.map((item: Json, index): StaticCluster => {
    const endpoints = isJsonObject(item) ? labelsOf(item['endpoints'] ?? null) : undefined;
    if (!isJsonObject(item) || endpoints === undefined || Object.keys(endpoints).length === 0)
      throw wrong(name, `clusters[${index}] should have endpoints, such as {master: spark://…, ui: http://…}`);
    const own = item['name'] ?? `${name}-${index + 1}`;
    if (typeof own !== 'string' || own === '') throw wrong(name, `clusters[${index}].name should be a text`);
    return { name: own, endpoints };
  });
  if (new Set(read.map((cluster) => cluster.name)).size < read.length)
    throw wrong(name, 'two of its clusters have the same name');
  return read;
}

export interface StaticCluster {
  readonly name: string;
  readonly endpoints: Readonly<Record<string, string>>;
}

function sizesOf(name: string, { size = null, sizes = null }: JsonObject): readonly number[] {
  const list = Array.isArray(sizes) ? sizes : [size ?? 1];
  const read = list.map((item: Json) => integer(item, 1, 1000));
  if (read.length === 0 || !read.every((item) => item !== undefined))
    throw wrong(name, 'size should be a number of workers from 1 to 1000, or sizes a list of these');
  return [...new Set(read)].toSorted((a, b) => a - b);
}

function poolLabels(name: string, { labels = {} }: JsonObject): Readonly<Record<string, string>> {
  const read = labelsOf(labels);
  if (read === undefined) throw wrong(name, 'labels should be a mapping of names to texts');
  return read;
}

function recycleOf(name: string, provider: string, { recycle = null }: JsonObject): Recycle | null {
  if (recycle === null) return null;
  if (provider === 'static' && recycle === 'recreate')
    throw wrong(name, 'recycle should be none or reset: clusters that run elsewhere cannot be made anew');
  if (recycle === 'recreate' || recycle === 'reset' || recycle === 'none') return recycle;
  throw wrong(name, 'recycle should be recreate, reset or none');
}

function word(name: string, config: JsonObject, key: string): string | null {
  const value = config[key] ?? null;
  if (value === null) return null;
  if (typeof value === 'string' && /^\S{1,80}$/.test(value)) return value;
  throw wrong(name, `${key} should be a word of up to 80 characters`);
}

function optional(name: string, config: JsonObject, key: string, least: number, expects: string): number | null {
  const value = config[key] ?? null;
  if (value === null) return null;
  const read = integer(value, least);
  if (read === undefined) throw wrong(name, `${key} should be ${expects}`);
  return read;
}

function integer(value: Json, least: number, most = 1_000_000_000): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}

export function wrong(pool: string, what: string): EngineError {
  return new EngineError('INVALID_INPUT', `pools: ${pool}: ${what}`);
}
