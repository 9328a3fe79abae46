import { spawn } from 'node:child_process';
import { isJsonObject, parseJson } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { labelsOf } from '../contract.ts';
import type { ClusterNode } from '../contract.ts';
import { ProviderError } from '../provider.ts';
import type { LiveCluster, Made, Provider } from '../provider.ts';
import { signalGroup } from '../../processes/process.ts';
import { wrong } from '../settings.ts';
import { childEnvironment } from './environment.ts';
import type { ProviderFactory } from './index.ts';
import { PoolReader } from './reading.ts';

/**
 * The user's programs make the clusters: the way to YARN, Kubernetes and cloud services (spec/cluster.md §4.1). Each is called with the
 * operation as its last argument, gets one JSON object on standard input, and writes one on standard output; an exit code other than 0 is a
 * failure, whose last line on standard error says why.
 *
 *     create   {id, name, size, labels, handle}   ->  {endpoints, handle?, nodes?}
 *     destroy  {id, name, handle}                 ->  nothing; also for what was never made
 *     health   {id, name, size, handle, endpoints}  ->  {ok, why?, nodes?}; without a program every cluster is healthy
 *     start, stop, restart  {…, node}             ->  {endpoints?, handle?, nodes?}
 *     reset    {…}                                ->  the same, or {recreate: true}
 *     log      {…, node, tail}                    ->  {text}
 */
export const createCommand: ProviderFactory = (pool, options) => {
  const read = new PoolReader(pool.name, pool.config);
  const programs = new Map(VERBS.map((verb) => [verb, read.command(verb)]));
  for (const verb of ['create', 'destroy'] as const)
    if (programs.get(verb) === null)
      throw wrong(pool.name, `${verb} should be a program, or a list of a program and its arguments`);
  const seconds = read.count('timeout_seconds', 600, 1, 86_400);
  const env = { ...childEnvironment(options.environment), ...read.texts('environment') };
  const resources = { cores: read.count('worker_cores', 0), memoryMb: read.count('worker_memory_mb', 0) };

  const call = async (verb: Verb, input: JsonObject, signal: AbortSignal): Promise<JsonObject> => {
    const argv = programs.get(verb) ?? null;
    if (argv === null) throw new ProviderError(`the pool has no program for ${verb}`);
    return run({ argv: [...argv, verb], env, seconds }, { ...input, operation: verb, pool: pool.name }, signal);
  };
  const change = async (verb: Verb, cluster: LiveCluster, node: string | null, signal: AbortSignal): Promise<Made> =>
    madeOf(await call(verb, { ...described(cluster), node }, signal), cluster);

  const provider: Provider = {
    // What the programs start may be anywhere, but they themselves are here.
    isLocal: true,
    plan: (size) => ({ cores: resources.cores * size, memoryMb: resources.memoryMb * size }),
    create: async (spec, signal) => {
      const { id, name, size, labels, handle } = spec;
      const made = madeOf(await call('create', { id, name, size, labels: { ...labels }, handle }, signal), {
        handle,
        endpoints: {},
        nodes: [],
      });
      if (Object.keys(made.endpoints).length === 0) throw new ProviderError('create has answered no endpoints');
      return made;
    },
    health: async (cluster, signal) => {
      if (programs.get('health') === null) return { ok: true, why: '' };
      try {
        const { ok = false, why = '', nodes = null } = await call('health', described(cluster), signal);
        return { ok: ok === true, why: String(why), ...(nodes !== null && { nodes: nodesOf(nodes) }) };
      } catch (error) {
        return { ok: false, why: error instanceof Error ? error.message : String(error) };
      }
    },
    start: (cluster, node, signal) => change('start', cluster, node, signal),
    stop: (cluster, node, signal) => change('stop', cluster, node, signal),
    restart: async (cluster, node, signal) => {
      if (programs.get('restart') !== null) return change('restart', cluster, node, signal);
      const stopped = await change('stop', cluster, node, signal);
      return change('start', { ...cluster, ...stopped }, node, signal);
    },
    reset: async (cluster, signal) => {
      if (programs.get('reset') === null) return null;
      const answer = await call('reset', described(cluster), signal);
      return answer['recreate'] === true ? null : madeOf(answer, cluster);
    },
    destroy: async ({ id, name, handle }, signal) => {
      await call('destroy', { id, name, handle }, signal);
    },
    adopt: async (cluster, signal) => {
      const { ok } = await provider.health(cluster, signal);
      return ok ? { endpoints: cluster.endpoints, handle: cluster.handle, nodes: cluster.nodes } : null;
    },
    log: async (cluster, node, tail) => {
      if (programs.get('log') === null) return null;
      const { text = '' } = await call('log', { ...described(cluster), node, tail }, new AbortController().signal);
      return String(text);
    },
  };
  return provider;
};

const VERBS = ['create', 'destroy', 'health', 'start', 'stop', 'restart', 'reset', 'log'] as const;
type Verb = (typeof VERBS)[number];

function described({ id, name, size, handle, endpoints }: LiveCluster): JsonObject {
  return { id, name, size, handle, endpoints: { ...endpoints } };
}

function madeOf(answer: JsonObject, before: Pick<LiveCluster, 'handle' | 'endpoints' | 'nodes'>): Made {
  const { endpoints = null, handle = null, nodes = null } = answer;
  const read = endpoints === null ? before.endpoints : labelsOf(endpoints);
  if (read === undefined) throw new ProviderError('its endpoints are no mapping of names to addresses');
  if (handle !== null && !isJsonObject(handle)) throw new ProviderError('its handle is no mapping');
  return {
    endpoints: read,
    handle: { ...before.handle, ...handle },
    nodes: nodes === null ? before.nodes : nodesOf(nodes),
  };
}

function nodesOf(value: Json): readonly ClusterNode[] {
  const items = Array.isArray(value) ? value.filter((item) => isJsonObject(item)) : [];
  return items.map(({ name = '', pid = null, state = 'running' }) => ({
    name: String(name),
    pid: typeof pid === 'number' ? pid : null,
    state: String(state),
  }));
}

/** Runs a program in a group of its own; late or unwanted ones end with all that they started. */
function run(
  {
    argv,
    env,
    seconds,
  }: { readonly argv: readonly string[]; readonly env: Record<string, string>; readonly seconds: number },
  input: JsonObject,
  signal: AbortSignal,
): Promise<JsonObject> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const texts = { out: '', error: '' };
    const kill = () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        signalGroup(child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => {
      kill();
      reject(new ProviderError(`${program} has not ended within ${seconds} s`));
    }, seconds * 1000);
    signal.addEventListener('abort', kill, { once: true });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (texts.out.length < MOST) texts.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      texts.error = (texts.error + text).slice(-MOST);
    });
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
    };
    child.once('error', (error) => {
      finish();
      reject(new ProviderError(error.message));
    });
    // Whoever does not read its input has no use for it.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(input));
    let ended = false;
    const end = (code: number | null, killed: NodeJS.Signals | null) => {
      if (ended) return;
      ended = true;
      finish();
      if (code !== 0) reject(new ProviderError(`${program} ended with ${killed ?? code}: ${lastLine(texts.error)}`));
      else resolve(objectOf(texts.out, program, reject));
    };
    child.once('close', end);
    // What it has left running may keep its output open for ever.
    child.once('exit', (code, killed) => setTimeout(end, AFTERMATH_MS, code, killed));
  });
}

const MOST = 1_048_576;
const AFTERMATH_MS = 2000;

function objectOf(text: string, program: string, reject: (error: Error) => void): JsonObject {
  if (text.trim() === '') return {};
  try {
    const value = parseJson(text);
    if (isJsonObject(value)) return value;
  } catch {
    // Told below.
  }
  reject(new ProviderError(`${program} has answered no JSON object: ${text.slice(0, 200)}`));
  return {};
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
