import { isJsonObject, parseJson } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { ProviderError } from '../provider.ts';

/** Small requests to clusters. None of them waits longer than 10 s. */

export async function answersHttp(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: limited(signal), redirect: 'manual' });
    await response.body?.cancel();
    return response.status < 500;
  } catch {
    return false;
  }
}

/** The answer's JSON object, whatever the status; null when there is no such answer. */
export async function readObject(url: string, signal: AbortSignal): Promise<JsonObject | null> {
  try {
    const response = await fetch(url, { signal: limited(signal), redirect: 'manual' });
    const value: Json = parseJson(await response.text());
    return response.ok && isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

/**
 * Sends a request and answers its status and, where it is JSON, its body.
 *
 * @throws ProviderError when there is no answer.
 */
export async function send(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  signal: AbortSignal,
  body?: JsonObject,
): Promise<{ readonly status: number; readonly body: Json }> {
  try {
    const response = await fetch(url, {
      method,
      signal: limited(signal),
      redirect: 'manual',
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    return { status: response.status, body: tryJson(text) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new ProviderError(`${method} ${url}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function limited(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
}

function tryJson(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}
