import { EngineError } from '../../engine/errors.ts';
import { hostId } from '../../processes/process.ts';
import type { Provider } from '../provider.ts';
import type { PoolRow } from '../store/rows.ts';
import { createCello } from './cello.ts';
import { createCommand } from './command.ts';
import { createFake } from './fake.ts';
import { createFlinkSession } from './flink-session.ts';
import { createSparkStandalone } from './spark-standalone.ts';
import { createStatic } from './static.ts';

export interface ProviderOptions {
  /** Variables of this process, for installations and child processes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** This host; by default the machine's id. */
  readonly host?: string;
}

export type ProviderFactory = (
  pool: Pick<PoolRow, 'name' | 'config' | 'type' | 'mode'>,
  options: ProviderOptions,
) => Provider;

/** The providers by name, and one provider for each pool. */
export class Providers {
  readonly host: string;
  private readonly options: ProviderOptions;
  private readonly factories: Readonly<Record<string, ProviderFactory>>;
  private readonly made = new Map<string, { readonly of: string; readonly provider: Provider }>();

  constructor(options: ProviderOptions, others: Readonly<Record<string, ProviderFactory>> = {}) {
    this.options = options;
    this.host = options.host ?? hostId();
    this.factories = { ...BUILT_IN, ...others };
  }

  /** @throws EngineError INVALID_INPUT where the pool's settings are not the provider's. */
  of(pool: Pick<PoolRow, 'name' | 'config' | 'type' | 'mode' | 'provider'>): Provider {
    const text = JSON.stringify([pool.provider, pool.config]);
    const known = this.made.get(pool.name);
    if (known?.of === text) return known.provider;
    const factory = Object.hasOwn(this.factories, pool.provider) ? this.factories[pool.provider] : undefined;
    if (factory === undefined)
      throw new EngineError('INVALID_INPUT', `pools: ${pool.name}: no provider ${pool.provider}`);
    const provider = factory(pool, this.options);
    this.made.set(pool.name, { of: text, provider });
    return provider;
  }
}

const BUILT_IN: Readonly<Record<string, ProviderFactory>> = {
  fake: createFake,
  static: createStatic,
  command: createCommand,
  cello: createCello,
  'spark-standalone': createSparkStandalone,
  'flink-session': createFlinkSession,
};
