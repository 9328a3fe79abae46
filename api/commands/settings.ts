import { readFileSync } from 'node:fs';
import { DEFAULT_CONFIG, parseConfig } from '../../engine/config.ts';
import type { Config } from '../../engine/config.ts';
import type { LogLevel } from '../../engine/log.ts';
import { UsageError } from '../usage-error.ts';

/** Options that several commands share, as they stand on the command line. */
export interface CommonOptions {
  readonly config?: string;
  readonly database?: string;
  readonly logLevel?: LogLevel;
}

/** Options of the command line over the configuration file over `defaults`. */
export function readSettings(options: CommonOptions, own: Partial<Config>, defaults: Partial<Config> = {}): Config {
  return Object.freeze({
    ...DEFAULT_CONFIG,
    ...defaults,
    ...(options.config === undefined ? {} : parseConfig(readTextFile(options.config), options.config)),
    ...(options.database === undefined ? {} : { database: options.database }),
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
    ...own,
  });
}

/** @throws UsageError when it cannot be read. */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message;
    throw new UsageError(`Cannot read ${path}: ${why}`);
  }
}

export function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`'${text}' is no port; write a number from 0 to 65535`);
}
