import { createApp } from '../../api/app.ts';
import { createAccess } from '../../api/auth/index.ts';
import { listen } from '../../api/server.ts';
import { DEFAULT_CONFIG } from '../../engine/config.ts';
import { openClusterPools } from '../../cluster-pool/index.ts';
import type { RunningClusterPools } from '../../cluster-pool/index.ts';
import type { Config } from '../../engine/config.ts';
import type { ActionCatalogue, ActionDefinition } from '../../engine/contract.ts';
import type { Engine } from '../../engine/facade.ts';
import { silentLogger } from '../../engine/log.ts';
import type { Logger } from '../../engine/log.ts';
import type { Store } from '../../engine/store/connection.ts';
import type { JobFileLimits } from '../../engine/store/job-files.ts';
import { createDefinitionFinder } from '../../engine/store/definition-finder.ts';
import { Background } from '../../engine/shell/background.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import { ExecutionMaker } from '../../engine/shell/new-executions.ts';
import { createDefinitions } from '../../engine/shell/definitions.ts';
import { memoryStore } from './store.ts';

export interface Exchange {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what a client reads
  readonly body: any;
}

export interface ApiUnderTest {
  readonly url: string;
  readonly store: Store;
  readonly send: Send;
}

/** A server on a real socket over a database in memory, without an engine. */
export async function startApi(
  t: { teardown(run: () => Promise<void>): void },
  options: {
    engine?: Partial<Engine>;
    settings?: Partial<Config>;
    engineMilliseconds?: number;
    fileLimits?: JobFileLimits;
    log?: Logger;
    processes?: () => Promise<never>;
  } = {},
): Promise<ApiUnderTest> {
  const store = await memoryStore(t);
  const app = createApp(
    {
      store,
      definitions: createDefinitions({
        store,
        catalogue,
        validationMode: options.settings?.validationMode ?? 'mandatory',
        strict: options.settings?.strictDefinitions ?? false,
      }),
      finder: createDefinitionFinder(store.reader),
      engine: { ...absentEngine, ...options.engine },
      ...withoutEngine(store),
      catalogue,
      pools: withoutPools(store),
      fileLimits: options.fileLimits ?? { quota: 1e9, largest: 1e9 },
      infoFile: null,
      processes: options.processes ?? (() => [{ name: 'test', type: 'api_group' }]),
    },
    {
      log: options.log ?? silentLogger,
      access: createAccess({ ...DEFAULT_CONFIG, ...options.settings }, store),
      ...(options.engineMilliseconds === undefined ? {} : { engineMilliseconds: options.engineMilliseconds }),
    },
  );
  const server = await listen(app.callback(), { host: '127.0.0.1', port: 0, insecure: false });
  t.teardown(() => server.close());
  return { url: server.url, store, send: sender(server.url) };
}

export type Send = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Exchange>;

/** Objects are sent as JSON, texts as they are. */
export function sender(url: string): Send {
  return async (method, path, body, headers = {}) => {
    const isText = typeof body === 'string' || body instanceof Uint8Array;
    const type: Record<string, string> = body === undefined || isText ? {} : { 'Content-Type': 'application/json' };
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { Connection: 'close', ...type, ...headers },
      ...(body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) }),
      redirect: 'manual',
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  };
}

function withoutPools(store: Store): RunningClusterPools {
  const config = { pools: {}, clusters: {} };
  const common = { store, clock: systemClock, log: silentLogger };
  return openClusterPools({ ...common, config, nodeId: 'none', folder: '', environment: {} });
}

/** Triggers can be made; nothing starts. */
function withoutEngine(store: Store): Background {
  const limits = { tasksPerName: 10_000, fieldCharacters: -1 };
  const common = { store, clock: systemClock, log: silentLogger };
  const finder = createDefinitionFinder(store.reader);
  const maker = new ExecutionMaker({ ...common, finder, catalogue, limits, notify: [], checkNotify: () => {} });
  return new Background({ ...common, maker, settings: {}, submit: async () => {}, send: () => {}, forget: () => {} });
}

function absent(): never {
  throw new Error('this test has no engine');
}

const absentEngine: Engine = {
  startExecution: absent,
  updateExecution: absent,
  deleteExecution: absent,
  rerunTask: absent,
  skipTask: absent,
  updateAction: absent,
  runAction: absent,
  deleteAction: absent,
};

function definition(
  name: string,
  properties: ActionDefinition['parameters']['properties'],
  required: string[],
): ActionDefinition {
  return {
    name,
    description: `What ${name} does.`,
    kind: 'pure',
    repeatSafe: true,
    parameters: { type: 'object', properties, required, additionalProperties: false },
    result: { description: 'Nothing.' },
    examples: [],
  };
}

const ACTIONS = [
  definition('std.echo', { output: {}, delay: { type: 'number', default: 0 } }, ['output']),
  definition('std.noop', {}, []),
];

export const catalogue: ActionCatalogue = {
  find: (name) => ACTIONS.find((action) => action.name === name),
  list: () => ACTIONS,
  runPure: () => ({ kind: 'success', output: null }),
  needsWorker: () => false,
};
