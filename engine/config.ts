import { formatProblem } from '../dsl/errors.ts';
import type { ExpressionLanguage } from '../dsl/expressions/index.ts';
import { isJsonObject } from '../dsl/json.ts';
import type { Json, JsonObject } from '../dsl/json.ts';
import { Problems } from '../dsl/problems.ts';
import type { Path } from '../dsl/problems.ts';
import { readYaml } from '../dsl/yaml.ts';
import { EngineError } from './errors.ts';
import { LOG_LEVELS } from './log.ts';
import type { LogLevel } from './log.ts';
import type { RateLimit } from './queue/queue.ts';
import type { RedisSettings, Sentinels } from './queue/redis.ts';
import { SQLITE_DRIVERS } from './store/drivers/index.ts';
import type { SqliteDriver } from './store/drivers/index.ts';
import { FINISHED } from './store/retention.ts';
import type { FinishedState } from './store/retention.ts';

/** What a process does; one may do all of it. */
export const ROLES = ['api', 'engine', 'executor', 'scheduler'] as const;
export type Role = (typeof ROLES)[number];

export const VALIDATION_MODES = ['mandatory', 'enabled', 'disabled'] as const;
export type ValidationMode = (typeof VALIDATION_MODES)[number];

/** Every setting of a node, with defaults that run on a laptop. Read once, never changed. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Listen beyond this machine without authentication. */
  readonly insecure: boolean;
  readonly roles: readonly Role[];
  /** null: messages stay within the process. */
  readonly redis: RedisSettings | null;
  /** All keys in Redis begin with it. */
  readonly redisPrefix: string;
  /** Actions that may not run more often than so. */
  readonly rateLimits: Readonly<Record<string, RateLimit>>;
  /** Actions that come before others (or after them) when executors have more to do than they can; 1 comes first. */
  readonly priorities: Readonly<Record<string, number>>;
  /** After so long without a word from an executor its messages are delivered to another. */
  readonly queueLockSeconds: number;
  /** How often a process tells that it lives, and after how long without a word it counts as dead. */
  readonly heartbeatSeconds: number;
  readonly leaseSeconds: number;
  /** How often somebody looks for what others have left undone, and how long he waits for them to do it. */
  readonly janitorSeconds: number;
  readonly patienceSeconds: number;
  /** After so long a message that nobody has taken is sent again. */
  readonly resendSeconds: number;
  /** How often executors tell what they run, and after how long without a word an action counts as lost. */
  readonly actionHeartbeatSeconds: number;
  readonly actionSilenceSeconds: number;
  /** PostgreSQL: connections of this process, and seconds that a transaction may wait for its own process. */
  readonly databaseConnections: number;
  readonly databasePatienceSeconds: number;
  /** `sqlite:PATH`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/DATABASE` */
  readonly database: string;
  /** null: the best driver that is installed. */
  readonly databaseDriver: SqliteDriver | null;
  readonly databaseSynchronous: 'full' | 'normal';
  /** For run directories of jobs and fetched files; null: beside the database. */
  readonly dataFolder: string | null;
  readonly logLevel: LogLevel;
  readonly authMode: AuthMode;
  /** Without authentication: whether everybody is an administrator. */
  readonly anonymousIsAdmin: boolean;
  /** A YAML file of rules that replace the usual ones: api/auth/policy.ts. */
  readonly authPolicyFile: string | null;
  /** The identity service, such as `https://identity:5000`; its API v3 lies under `/v3`. */
  readonly keystoneUrl: string | null;
  readonly oidcIssuer: string | null;
  readonly oidcAudience: string | null;
  /** null: what the issuer's discovery document names. */
  readonly oidcJwksUrl: string | null;
  /** Where a token names project and roles; parts are separated by dots. null: the realm's name in the issuer's address. */
  readonly oidcProjectClaim: string | null;
  readonly oidcRolesClaim: string;
  /** How long a token that was found good by another service is taken for good. */
  readonly authCacheSeconds: number;
  /** Origins of web pages that may call the API, such as `https://console.example`; `*` for all. */
  readonly corsOrigins: readonly string[];
  readonly infoFile: string | null;
  /** Actions whose code administrators upload; it may do whatever this process's user may. */
  readonly dynamicActions: boolean;
  readonly dynamicProcesses: number;
  readonly dynamicMemoryMegabytes: number;
  /** Names of the environment variables that their code sees. */
  readonly dynamicEnvironment: readonly string[];
  /** Languages in which definitions may hold expressions, and limits of YAQL, as in the reference (spec/expressions.md §11.8). */
  readonly expressionLanguages: readonly ExpressionLanguage[];
  readonly yaqlLimitIterators: number;
  readonly yaqlMemoryQuota: number;
  readonly yaqlConvertOutputData: boolean;
  readonly yaqlConvertTuplesToLists: boolean;
  readonly yaqlConvertSetsToLists: boolean;
  readonly yaqlIterableDicts: boolean;
  /** Limits of `std.javascript`. */
  readonly javascriptSeconds: number;
  readonly javascriptMemoryMegabytes: number;
  readonly javascriptProcesses: number;
  /** Where `private_key_filename` of `std.ssh` is looked for; null: `.ssh` in the home folder. */
  readonly sshKeyFolder: string | null;
  /** Whether `std.ssh_proxied` may start programs on this machine. */
  readonly sshProxyCommand: boolean;
  /** Actions that run at once; jobs outside are not counted. */
  readonly executorConcurrency: number;
  /** How long running actions may go on when the node is told to stop. */
  readonly shutdownSeconds: number;
  readonly tasksPerName: number;
  /** KiB of JSON text of input, output, params and published; -1 for no limit. */
  readonly fieldSizeKilobytes: number;
  /** What the call of an unknown action, or one with wrong parameters, does: fail the execution at once, or only its task. */
  readonly wrongCalls: 'forced' | 'graceful';
  /** Whether uploads are checked: always, unless they ask not to be (`?skip_validation`), or never (spec/dsl.md §15). */
  readonly validationMode: ValidationMode;
  /** Whether inline parameters that are lost refuse an upload, or are warned of only (spec/dsl.md §17-K). */
  readonly strictDefinitions: boolean;
  /** Addresses, ranges and host names that requests of users' actions may go to in any case, and such that they never may. */
  readonly egressAllow: readonly string[];
  readonly egressDeny: readonly string[];
  /** After an outage a cron trigger's latest missed run starts, or all of them. */
  readonly cronMissed: 'latest' | 'all';
  /** Whether a cron trigger's run starts while the one before it still goes on. */
  readonly cronOverlap: boolean;
  /** A YAML file that says what executions get of events; null: all of the event. */
  readonly eventDefinitionsFile: string | null;
  /** A Redis stream whose entries are events. */
  readonly eventStream: EventStreamConfig | null;
  /** Publishers of every execution (spec/engine.md E-22.1). */
  readonly notify: readonly JsonObject[];
  /** Modules of further publishers, by name. */
  readonly publishers: Readonly<Record<string, string>>;
  /** Finished executions go after so many days; 0: never. */
  readonly retentionDays: number;
  /** So many finished executions are kept, the newest; 0: any number. */
  readonly retentionMaxFinished: number;
  readonly retentionIgnoredStates: readonly FinishedState[];
  /** The event log of finished executions goes after so many days; 0: together with them. */
  readonly retentionEventDays: number;
  readonly retentionIntervalMinutes: number;
  /** Files for jobs: MB that a project may have together, and that one may have. */
  readonly filesQuotaMegabytes: number;
  readonly filesLargestMegabytes: number;
  /** Files that no job has wanted for so many days go; 0: never. */
  readonly filesUnusedDays: number;
  /** Where servers of jobs reach this API, for the files that they fetch; null: they cannot. */
  readonly filesUrl: string | null;
  readonly sparkHome: string | null;
  /** null: any. */
  readonly sparkAllowedHomes: readonly string[] | null;
  readonly sparkApplicationRoots: readonly string[] | null;
  readonly sparkAllowedEnvironment: readonly string[] | null;
  readonly sparkHistoryUrl: string | null;
  readonly flinkJarRoots: readonly string[] | null;
  /** Pools of clusters that this node keeps, and how their service works (spec/cluster.md §4): read by cluster-pool/settings.ts. */
  readonly pools: JsonObject;
  readonly clusters: JsonObject;
  /** Servers by name: `executors/connections` reads what is in it. */
  readonly connections: JsonObject;
}

export const AUTH_MODES = ['none', 'token', 'keystone', 'oidc'] as const;
export type AuthMode = (typeof AUTH_MODES)[number];

export interface EventStreamConfig {
  /** `redis://host:port/database` */
  readonly url: string;
  readonly stream: string;
  /** Nodes of one group share the entries. */
  readonly group: string;
}

export const DEFAULT_CONFIG: Config = Object.freeze({
  host: '127.0.0.1',
  port: 8989,
  insecure: false,
  database: 'sqlite:tramontane.sqlite',
  roles: ROLES,
  redis: null,
  redisPrefix: '{tramontane}',
  rateLimits: {},
  priorities: {},
  queueLockSeconds: 30,
  heartbeatSeconds: 5,
  leaseSeconds: 20,
  janitorSeconds: 5,
  patienceSeconds: 30,
  resendSeconds: 300,
  actionHeartbeatSeconds: 20,
  actionSilenceSeconds: 300,
  databaseConnections: 10,
  databasePatienceSeconds: 15,
  databaseDriver: null,
  databaseSynchronous: 'full',
  dataFolder: null,
  logLevel: 'info',
  authMode: 'none',
  anonymousIsAdmin: true,
  authPolicyFile: null,
  keystoneUrl: null,
  oidcIssuer: null,
  oidcAudience: null,
  oidcJwksUrl: null,
  oidcProjectClaim: null,
  oidcRolesClaim: 'realm_access.roles',
  authCacheSeconds: 300,
  corsOrigins: [],
  infoFile: null,
  dynamicActions: false,
  dynamicProcesses: 4,
  dynamicMemoryMegabytes: 256,
  dynamicEnvironment: ['PATH', 'HOME', 'LANG', 'TZ'],
  expressionLanguages: ['yaql', 'jinja'] as const,
  yaqlLimitIterators: -1,
  yaqlMemoryQuota: -1,
  yaqlConvertOutputData: true,
  yaqlConvertTuplesToLists: true,
  yaqlConvertSetsToLists: false,
  yaqlIterableDicts: false,
  javascriptSeconds: 60,
  javascriptMemoryMegabytes: 64,
  javascriptProcesses: 2,
  sshKeyFolder: null,
  sshProxyCommand: false,
  executorConcurrency: 64,
  shutdownSeconds: 5,
  tasksPerName: 10_000,
  fieldSizeKilobytes: 1024,
  wrongCalls: 'forced',
  validationMode: 'mandatory',
  strictDefinitions: false,
  egressAllow: [],
  egressDeny: [],
  cronMissed: 'latest',
  cronOverlap: true,
  eventDefinitionsFile: null,
  eventStream: null,
  notify: [],
  publishers: {},
  retentionDays: 30,
  retentionMaxFinished: 0,
  retentionIgnoredStates: [],
  retentionEventDays: 0,
  retentionIntervalMinutes: 60,
  filesQuotaMegabytes: 10_240,
  filesLargestMegabytes: 2048,
  filesUnusedDays: 0,
  filesUrl: null,
  sparkHome: null,
  sparkAllowedHomes: null,
  sparkApplicationRoots: null,
  sparkAllowedEnvironment: null,
  sparkHistoryUrl: null,
  flinkJarRoots: null,
  connections: {},
  pools: {},
  clusters: {},
});

/**
 * Reads a configuration file: YAML with the keys of {@link SETTINGS}.
 *
 * @throws EngineError INVALID_INPUT with one line `file:line:column: what is wrong; what would be right` for each fault.
 */
export function parseConfig(text: string, file: string): Partial<Config> {
  const problems = new Problems();
  const document = readYaml(text, problems);
  const config: Record<string, unknown> = {};
  if (isJsonObject(document.value)) readSection(document.value, SETTINGS, [], config, problems);
  else if (document.value !== undefined && document.value !== null) {
    problems.error({ path: [] }, 'The configuration is no mapping', 'write one setting a line, such as port: 8989');
  }
  const found = problems.sorted(document.locate);
  if (found.length > 0) {
    throw new EngineError('INVALID_INPUT', found.map((problem) => `${file}:${formatProblem(problem)}`).join('\n'));
  }
  return config;
}

/** Reads one value; undefined means that it does not fit. */
interface Setting {
  readonly field: keyof Config;
  /** What would be right, to complete "it should be …". */
  readonly expects: string;
  readonly read: (value: Json) => unknown;
}

type Section = { readonly [key: string]: Setting | Section };

// BullMQ's own bound.
const LAST_PRIORITY = 2_097_151;

const SETTINGS: Section = {
  host: setting('host', 'a host name or address', text),
  port: setting('port', 'a number from 0 to 65535', (value) => integer(value, 0, 65_535)),
  insecure: setting('insecure', 'true or false', flag),
  log_level: setting('logLevel', `one of ${LOG_LEVELS.join(', ')}`, (value) =>
    LOG_LEVELS.find((level) => level === value),
  ),
  auth: {
    mode: setting('authMode', `one of ${AUTH_MODES.join(', ')}`, (value) => AUTH_MODES.find((mode) => mode === value)),
    anonymous_is_admin: setting('anonymousIsAdmin', 'true or false', flag),
    policy_file: setting('authPolicyFile', 'a path', text),
    cache_seconds: setting('authCacheSeconds', 'a number of seconds', (value) => integer(value, 0)),
    keystone: { url: setting('keystoneUrl', 'an address, such as https://identity:5000', httpUrl) },
    oidc: {
      issuer: setting('oidcIssuer', 'an address', httpUrl),
      audience: setting('oidcAudience', 'a text', text),
      jwks_url: setting('oidcJwksUrl', 'an address', httpUrl),
      project_claim: setting('oidcProjectClaim', 'the name of a claim, such as tenant.id', text),
      roles_claim: setting('oidcRolesClaim', 'the name of a claim, such as realm_access.roles', text),
    },
  },
  cors: { origins: setting('corsOrigins', 'a list of origins, such as https://console.example', texts) },
  info_file: setting('infoFile', 'a path', text),
  data_folder: setting('dataFolder', 'a path', text),
  database: {
    url: setting('database', 'sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE', text),
    connections: setting('databaseConnections', 'a number of connections, at least 2', (value) => integer(value, 2)),
    patience_seconds: setting('databasePatienceSeconds', 'a number of seconds, at least 1', (value) =>
      integer(value, 1),
    ),
    driver: setting('databaseDriver', `one of ${SQLITE_DRIVERS.join(', ')}`, (value) =>
      SQLITE_DRIVERS.find((name) => name === value),
    ),
    synchronous: setting('databaseSynchronous', 'full or normal', (value) =>
      value === 'full' || value === 'normal' ? value : undefined,
    ),
  },
  roles: setting('roles', `a list of ${ROLES.join(', ')}`, rolesOf),
  redis: setting(
    'redis',
    'a mapping {url: redis://…, cluster_nodes: [HOST:PORT], sentinel: {name: …, nodes: [HOST:PORT], password: …, tls: {…}}, tls: {ca: …, cert: …, key: …}}',
    redisSettings,
  ),
  queue: {
    prefix: setting('redisPrefix', 'a text such as {tramontane}', text),
    rate_limits: setting('rateLimits', 'a mapping of actions to {max: …, seconds: …}', rateLimits),
    priorities: setting(
      'priorities',
      `a mapping of actions to numbers from 1, the first, to ${LAST_PRIORITY}`,
      priorities,
    ),
    lock_seconds: setting('queueLockSeconds', 'a number of seconds, at least 1', (value) => integer(value, 1)),
    resend_seconds: setting('resendSeconds', 'a number of seconds, at least 1', (value) => integer(value, 1)),
  },
  cluster: {
    heartbeat_seconds: setting('heartbeatSeconds', 'a number of seconds, at least 1', (value) => integer(value, 1)),
    lease_seconds: setting('leaseSeconds', 'a number of seconds, at least 2', (value) => integer(value, 2)),
    janitor_seconds: setting('janitorSeconds', 'a number of seconds, at least 1', (value) => integer(value, 1)),
    patience_seconds: setting('patienceSeconds', 'a number of seconds, at least 1', (value) => integer(value, 1)),
    action_heartbeat_seconds: setting('actionHeartbeatSeconds', 'a number of seconds, at least 1', (value) =>
      integer(value, 1),
    ),
    action_silence_seconds: setting('actionSilenceSeconds', 'a number of seconds, at least 1', (value) =>
      integer(value, 1),
    ),
  },
  limits: {
    tasks_per_name: setting('tasksPerName', 'a number of tasks, at least 1', (value) => integer(value, 1)),
    field_size_kb: setting('fieldSizeKilobytes', 'a number of KiB, or -1 for no limit', (value) => integer(value, -1)),
  },
  engine: {
    wrong_calls: setting('wrongCalls', 'forced or graceful', (value) =>
      value === 'forced' || value === 'graceful' ? value : undefined,
    ),
  },
  api: {
    validation_mode: setting('validationMode', VALIDATION_MODES.join(', '), (value) =>
      VALIDATION_MODES.find((mode) => mode === value),
    ),
    strict_definitions: setting('strictDefinitions', 'true or false', flag),
  },
  executor: {
    concurrency: setting('executorConcurrency', 'a number of actions, at least 1', (value) => integer(value, 1)),
    shutdown_seconds: setting('shutdownSeconds', 'a number of seconds', (value) => integer(value, 0)),
    ssh_key_folder: setting('sshKeyFolder', 'a path', text),
    ssh_proxy_command: setting('sshProxyCommand', 'true or false', flag),
  },
  expressions: { allowed_languages: setting('expressionLanguages', 'a list of yaql and jinja', languages) },
  yaql: {
    limit_iterators: setting('yaqlLimitIterators', 'a number of elements, or -1 for no limit', (value) =>
      integer(value, -1),
    ),
    memory_quota: setting('yaqlMemoryQuota', 'a number of bytes, or -1 for no limit', (value) => integer(value, -1)),
    convert_output_data: setting('yaqlConvertOutputData', 'true or false', flag),
    convert_tuples_to_lists: setting('yaqlConvertTuplesToLists', 'true or false', flag),
    convert_sets_to_lists: setting('yaqlConvertSetsToLists', 'true or false', flag),
    iterable_dicts: setting('yaqlIterableDicts', 'true or false', flag),
  },
  javascript: {
    seconds: setting('javascriptSeconds', 'a number of seconds from 1 to 86400', (value) => integer(value, 1, 86_400)),
    memory_mb: setting('javascriptMemoryMegabytes', 'a number of MB from 1 to 1024', (value) =>
      integer(value, 1, 1024),
    ),
    processes: setting('javascriptProcesses', 'a number of processes, at least 1', (value) => integer(value, 1)),
  },
  dynamic_actions: {
    enabled: setting('dynamicActions', 'true or false', flag),
    processes: setting('dynamicProcesses', 'a number of processes, at least 1', (value) => integer(value, 1)),
    memory_mb: setting('dynamicMemoryMegabytes', 'a number of MB, at least 16', (value) => integer(value, 16)),
    environment: setting('dynamicEnvironment', 'a list of names of variables', texts),
  },
  egress: {
    allow: setting('egressAllow', 'a list of addresses, ranges or host names', texts),
    deny: setting('egressDeny', 'a list of addresses or ranges', texts),
  },
  pools: setting('pools', 'a mapping of names to {provider: …, capacity: …}', (value) =>
    isJsonObject(value) ? value : undefined,
  ),
  clusters: setting('clusters', 'a mapping of settings of the pool service', (value) =>
    isJsonObject(value) ? value : undefined,
  ),
  connections: setting('connections', 'a mapping of names to {type: …, url: …}', (value) =>
    isJsonObject(value) ? value : undefined,
  ),
  cron: {
    missed: setting('cronMissed', 'latest or all', (value) =>
      value === 'latest' || value === 'all' ? value : undefined,
    ),
    overlap: setting('cronOverlap', 'true or false', flag),
  },
  events: {
    definitions: setting('eventDefinitionsFile', 'a path', text),
    redis_stream: setting('eventStream', 'a mapping {url: redis://…, stream: …, group: …}', eventStream),
  },
  notifications: {
    notify: setting('notify', 'a list of publishers, such as [{type: webhook, url: …}]', notifyEntries),
    publishers: setting('publishers', 'a mapping of names to files of modules', textsByName),
  },
  retention: {
    days: setting('retentionDays', 'a number of days, or 0 for ever', (value) => integer(value, 0, 36_500)),
    max_finished: setting('retentionMaxFinished', 'a number of executions, or 0 for any number', (value) =>
      integer(value, 0),
    ),
    ignored_states: setting('retentionIgnoredStates', `a list of ${FINISHED.join(', ')}`, finishedStates),
    event_days: setting('retentionEventDays', 'a number of days, or 0 for as long as the execution', (value) =>
      integer(value, 0, 36_500),
    ),
    interval_minutes: setting('retentionIntervalMinutes', 'a number of minutes, at least 1', (value) =>
      integer(value, 1, 100_000),
    ),
  },
  files: {
    quota_mb: setting('filesQuotaMegabytes', 'a number of MB', (value) => integer(value, 0)),
    largest_mb: setting('filesLargestMegabytes', 'a number of MB, at least 1', (value) => integer(value, 1)),
    unused_days: setting('filesUnusedDays', 'a number of days, or 0 for ever', (value) => integer(value, 0, 36_500)),
    url: setting('filesUrl', 'an address, such as http://tramontane:8989', httpUrl),
  },
  spark: {
    home: setting('sparkHome', 'the folder of a Spark installation', text),
    allowed_homes: setting('sparkAllowedHomes', 'a list of folders', texts),
    application_roots: setting('sparkApplicationRoots', 'a list of folders', texts),
    allowed_environment: setting('sparkAllowedEnvironment', 'a list of names of variables', texts),
    history_url: setting('sparkHistoryUrl', 'an address', text),
  },
  flink: {
    jar_roots: setting('flinkJarRoots', 'a list of folders', texts),
  },
};

function setting(field: keyof Config, expects: string, read: Setting['read']): Setting {
  return { field, expects, read };
}

function readSection(
  values: JsonObject,
  section: Section,
  path: Path,
  config: Record<string, unknown>,
  problems: Problems,
): void {
  for (const [key, value] of Object.entries(values)) {
    const place = { path: [...path, key] };
    const known = Object.hasOwn(section, key) ? section[key] : undefined;
    if (known === undefined) {
      const names = Object.keys(section);
      problems.error(
        { ...place, at: 'key' },
        `Unknown setting '${key}'`,
        problems.spelling.didYouMean(key, names) ?? `known here: ${names.join(', ')}`,
      );
    } else if (isSetting(known)) {
      const read = known.read(value);
      if (read === undefined)
        problems.error(place, `The setting '${key}' has a wrong value`, `it should be ${known.expects}`);
      else config[known.field] = read;
    } else if (isJsonObject(value)) {
      readSection(value, known, place.path, config, problems);
    } else {
      problems.error(place, `'${key}' is a group of settings`, `known here: ${Object.keys(known).join(', ')}`);
    }
  }
}

function isSetting(known: Setting | Section): known is Setting {
  return typeof known['read'] === 'function';
}

/** Roles as a list, or as a text with commas between them. */
export function rolesOf(value: Json): readonly Role[] | undefined {
  const names = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : texts(value);
  const roles = ROLES.filter((role) => names?.includes(role));
  return names !== undefined && names.length > 0 && names.every((name) => ROLES.some((role) => role === name))
    ? roles
    : undefined;
}

/** How Redis is reached: an address, or a mapping with one. */
export function redisSettings(value: Json): RedisSettings | undefined {
  const {
    url,
    cluster_nodes: nodes,
    sentinel,
    tls,
  } = typeof value === 'string' ? ({ url: value } as JsonObject) : isJsonObject(value) ? value : {};
  if (typeof url !== 'string' || !/^rediss?:\/\//.test(url) || !URL.canParse(url)) return undefined;
  const clusterNodes = nodes === undefined ? null : texts(nodes);
  const sentinels = sentinel === undefined ? null : sentinelsOf(sentinel);
  if (clusterNodes === undefined || sentinels === undefined || (tls !== undefined && !isJsonObject(tls)))
    return undefined;
  return { url, clusterNodes, sentinels, tls: tls ?? null };
}

function sentinelsOf(value: Json): Sentinels | undefined {
  if (!isJsonObject(value) || typeof value['name'] !== 'string') return undefined;
  const nodes = texts(value['nodes'] ?? null);
  const { password, tls } = value;
  if (nodes === undefined || nodes.length === 0 || (tls !== undefined && !isJsonObject(tls))) return undefined;
  return {
    name: value['name'],
    nodes,
    ...(typeof password === 'string' ? { password } : {}),
    ...(tls === undefined ? {} : { tls }),
  };
}

function rateLimits(value: Json): Config['rateLimits'] | undefined {
  if (!isJsonObject(value)) return undefined;
  const limits: Record<string, RateLimit> = {};
  for (const [action, limit] of Object.entries(value)) {
    const { max = null, seconds = 1 } = isJsonObject(limit) ? limit : {};
    if (integer(max, 1) === undefined || typeof seconds !== 'number' || !(seconds > 0)) return undefined;
    limits[action] = { max: Number(max), seconds };
  }
  return limits;
}

function priorities(value: Json): Config['priorities'] | undefined {
  if (!isJsonObject(value)) return undefined;
  const entries = Object.entries(value).map(([action, number]) => [action, integer(number, 1, LAST_PRIORITY)] as const);
  return entries.every((entry): entry is readonly [string, number] => entry[1] !== undefined)
    ? Object.fromEntries(entries)
    : undefined;
}

function text(value: Json): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function httpUrl(value: Json): string | undefined {
  return typeof value === 'string' && /^https?:\/\/[^/]/.test(value) && URL.canParse(value) ? value : undefined;
}

function texts(value: Json): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item): item is string => typeof item === 'string') ? value : undefined;
}

function languages(value: Json): readonly ExpressionLanguage[] | undefined {
  const known = words(value, ['yaql', 'jinja']);
  return known?.length === 0 ? undefined : known;
}

/** Texts that are all among the known ones. */
function words<Word extends string>(value: Json, known: readonly Word[]): readonly Word[] | undefined {
  const found = texts(value)?.map((text) => known.find((word) => word === text));
  return found?.every((word) => word !== undefined) === true ? found : undefined;
}

function flag(value: Json): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function integer(value: Json, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}

function finishedStates(value: Json): readonly FinishedState[] | undefined {
  return words(value, FINISHED);
}

function eventStream(value: Json): EventStreamConfig | undefined {
  if (!isJsonObject(value)) return undefined;
  const { url = null, stream = 'tramontane-events', group = 'tramontane', ...rest } = value;
  if (Object.keys(rest).length > 0 || typeof stream !== 'string' || typeof group !== 'string') return undefined;
  return typeof url === 'string' && /^rediss?:\/\//.test(url) ? { url, stream, group } : undefined;
}

function notifyEntries(value: Json): readonly JsonObject[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.every((entry): entry is JsonObject => isJsonObject(entry) && typeof entry['type'] === 'string')
    ? value
    : undefined;
}

function textsByName(value: Json): Readonly<Record<string, string>> | undefined {
  if (!isJsonObject(value)) return undefined;
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return entries.length === Object.keys(value).length ? Object.fromEntries(entries) : undefined;
}
