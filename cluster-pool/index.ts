import type { JsonObject } from '../dsl/json.ts';
import type { Logger } from '../engine/log.ts';
import type { Clock } from '../engine/shell/clock.ts';
import type { Store } from '../engine/store/connection.ts';
import type { ClusterPools } from './contract.ts';
import { Keeper } from './keeper.ts';
import { Providers } from './providers/index.ts';
import type { ProviderFactory } from './providers/index.ts';
import { PoolService } from './service.ts';
import { readPools, readService } from './settings.ts';
import type { ServiceSettings } from './settings.ts';
import { Signals } from './signals.ts';

export type * from './contract.ts';

export interface ClusterPoolsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
  /** The sections `pools` and `clusters` of the configuration. */
  readonly config: { readonly pools: JsonObject; readonly clusters: JsonObject };
  /** Where clusters of this host keep their files. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The database ends with this process: {@link RunningClusterPools.stop} then ends all clusters of this host. */
  readonly temporary?: boolean;
  /** This host; by default the machine's id. */
  readonly host?: string;
  /** Further providers by name. */
  readonly providers?: Readonly<Record<string, ProviderFactory>>;
}

export interface RunningClusterPools extends ClusterPools {
  readonly settings: ServiceSettings;
  /** Begins to look after clusters; resolves when what an earlier process left has been looked at. */
  start(): Promise<void>;
  /** Clusters run on, unless the configuration says otherwise. */
  stop(): Promise<void>;
}

/** @throws EngineError INVALID_INPUT naming the pool and the setting that is wrong. */
export function openClusterPools(options: ClusterPoolsOptions): RunningClusterPools {
  const { config, store, clock } = options;
  const settings = readService(config.clusters);
  const pools = readPools(config.pools, Object.keys(options.providers ?? {}));
  const providers = new Providers(options, options.providers);
  for (const pool of pools) providers.of(pool);
  const signals = new Signals();
  return new RunningPools(
    { store, clock, settings, signals, providers },
    new Keeper({ ...options, temporary: options.temporary ?? false, settings, pools, providers, signals }),
  );
}

class RunningPools extends PoolService implements RunningClusterPools {
  readonly settings: ServiceSettings;
  private readonly keeper: Keeper;

  constructor(options: ConstructorParameters<typeof PoolService>[0], keeper: Keeper) {
    super(options);
    this.settings = options.settings;
    this.keeper = keeper;
  }

  start(): Promise<void> {
    return this.keeper.start();
  }

  stop(): Promise<void> {
    return this.keeper.stop();
  }
}
