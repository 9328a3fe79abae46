import { createRequire } from 'node:module';
import type * as Pino from 'pino';
import { maskError, maskFields } from './secrets.ts';

// Loaded by the first logger: commands that log nothing, and tests, do without it.
const require = createRequire(import.meta.url);

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What may be bound to a line: ids and short words. Never contexts, inputs or headers. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log line is a short sentence plus bound fields such as `executionId`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each of its lines. */
  with(fields: LogFields): Logger;
}

/** Lines of JSON on standard error, so that standard output stays free for results. `error` fields print message and stack. */
export function createLogger(level: LogLevel = 'info'): Logger {
  const { pino } = require('pino') as typeof Pino;
  const destination = pino.destination({ fd: 2, sync: true });
  return wrap(
    pino(
      { level, base: undefined, serializers: { error: (error: unknown) => maskError(error, pino.stdSerializers.err) } },
      destination,
    ),
  );
}

export const silentLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  with: () => silentLogger,
};

function wrap(target: Pino.Logger): Logger {
  return {
    debug: (message, fields = {}) => {
      if (target.isLevelEnabled('debug')) target.debug(maskFields(fields), message);
    },
    info: (message, fields = {}) => target.info(maskFields(fields), message),
    warn: (message, fields = {}) => target.warn(maskFields(fields), message),
    error: (message, fields = {}) => target.error(maskFields(fields), message),
    with: (fields) => wrap(target.child(maskFields(fields))),
  };
}

function ignore(): void {}
