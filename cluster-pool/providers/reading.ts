import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { wrong } from '../settings.ts';

/** Reads a pool's own settings for its provider; every one names the pool when it is wrong. */
export class PoolReader {
  private readonly pool: string;
  private readonly config: JsonObject;

  constructor(pool: string, config: JsonObject) {
    this.pool = pool;
    this.config = config;
  }

  count(key: string, otherwise: number, least = 0, most = 1_000_000_000): number {
    const value = this.config[key] ?? otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw wrong(this.pool, `${key} should be a number from ${least} to ${most}`);
  }

  text(key: string): string | null {
    const value = this.config[key] ?? null;
    if (value === null || (typeof value === 'string' && value !== '')) return value;
    throw wrong(this.pool, `${key} should be a text`);
  }

  texts(key: string): Readonly<Record<string, string>> {
    const value: Json = this.config[key] ?? {};
    if (!isJsonObject(value)) throw wrong(this.pool, `${key} should be a mapping of names to texts`);
    const entries = Object.entries(value).map(([name, item]): [string, string] => {
      if (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean')
        return [name, String(item)];
      throw wrong(this.pool, `${key}.${name} should be a text`);
    });
    return Object.fromEntries(entries);
  }

  /** A path, or a program and its arguments. */
  command(key: string): readonly string[] | null {
    const value = this.config[key] ?? null;
    if (value === null) return null;
    const parts = typeof value === 'string' ? [value] : value;
    if (Array.isArray(parts) && parts.length > 0 && parts.every((part): part is string => typeof part === 'string'))
      return parts;
    throw wrong(this.pool, `${key} should be a program, or a list of a program and its arguments`);
  }
}
