import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JsonObject } from '../dsl/json.ts';
import { EngineError } from '../engine/errors.ts';
import type { Publisher, Publishers } from '../engine/shell/notifier.ts';
import type { HttpClient } from './http-client.ts';
import { webhookPublisher } from './webhook.ts';

/**
 * Where notifications can go: webhooks, and what modules of the operator add.
 *
 * @param modules names of publishers and the files of their modules.
 * @throws EngineError INVALID_INPUT for a module that does not load or is no publisher
 */
export async function createPublishers(
  http: HttpClient,
  modules: Readonly<Record<string, string>>,
): Promise<Publishers> {
  const publishers = new Map<string, Publisher>([['webhook', webhookPublisher(http)]]);
  for (const [name, path] of Object.entries(modules)) publishers.set(name, await loadPublisher(name, path));
  return publishers;
}

/** A module's default export: `publish(payload, options, signal)`, and `check(options)` where it has one. */
async function loadPublisher(name: string, path: string): Promise<Publisher> {
  const fail = (why: string, cause?: unknown): never => {
    throw new EngineError('INVALID_INPUT', `The publisher '${name}' of ${path} ${why}`, { cause });
  };
  const loaded: { readonly default?: unknown } = await import(pathToFileURL(resolve(path)).href).catch(
    (error: unknown) => fail(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, error),
  );
  const plugin = loaded.default;
  if (!isPlugin(plugin)) return fail('has no default export with a method publish(payload, options, signal)');
  return {
    check: (options) => {
      const fault = plugin.check?.(options) ?? null;
      return fault === null || typeof fault === 'string' ? fault : 'does not take these options';
    },
    publish: async (payload, options, signal) => {
      await plugin.publish(payload, options, signal);
    },
  };
}

interface Plugin {
  publish(payload: JsonObject, options: JsonObject, signal: AbortSignal): unknown;
  check?(options: JsonObject): unknown;
}

function isPlugin(value: unknown): value is Plugin {
  return (
    typeof value === 'object' &&
    value !== null &&
    'publish' in value &&
    typeof value.publish === 'function' &&
    (!('check' in value) || value.check === undefined || typeof value.check === 'function')
  );
}
