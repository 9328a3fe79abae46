import type { IncomingMessage } from 'node:http';
import { isJsonObject, parseJson } from '../dsl/json.ts';
import type { Json, JsonObject } from '../dsl/json.ts';
import { isStorableText } from '../engine/store/columns.ts';
import { ApiError, badRequest, invalidValue } from './api-error.ts';
import type { ApiRequest } from './request.ts';

/** Bodies of requests: spec/rest-api.md §2.2. */

/** 16 MiB: the largest definition that the reference is known to take is a fifth of it. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** How deep JSON may be nested: far more than data needs, far less than what exhausts the stack of whoever walks through it. */
export const MAX_NESTING = 500;

/**
 * The whole body as text, whatever its content type, except XML.
 *
 * @throws ApiError UNSUPPORTED_MEDIA_TYPE, TOO_LARGE; EngineError INVALID_INPUT when it is not UTF-8.
 */
export async function readText(request: IncomingMessage, contentType: string): Promise<string> {
  if (/^(?:text|application)\/(?:[\w.-]+\+)?xml\b/i.test(contentType)) throw unknownMediaType(contentType);
  const bytes = await readBytes(request);
  try {
    return UTF_8.decode(bytes);
  } catch {
    throw badRequest('The body is not valid UTF-8 text.');
  }
}

/** The body as it comes. @throws EngineError INVALID_INPUT when it breaks off. */
export async function* readPieces(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    if (request.errored !== null) throw badRequest('The body did not arrive as a whole.');
    throw error;
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** By events, which cost a small request a third of what its iterator does. */
function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (settle: () => void): void => {
      request.off('data', take).off('end', finish).off('close', breakOff).off('error', breakOff);
      settle();
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= MAX_BODY_BYTES) return;
      // The rest is not read: the connection ends with this answer, which still has to go through it.
      request.pause();
      end(() =>
        reject(
          new ApiError('TOO_LARGE', `The body is larger than the limit of ${MAX_BODY_BYTES} bytes.`, {
            Connection: 'close',
          }),
        ),
      );
    };
    const finish = (): void => end(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    // The client has gone, or its time is over: nobody hears the answer, and nothing of the server has failed.
    const breakOff = (): void => end(() => reject(badRequest('The body did not arrive as a whole.')));
    if (request.readableEnded) return finish();
    if (request.destroyed) return breakOff();
    request.on('data', take).on('end', finish).on('close', breakOff).on('error', breakOff);
  });
}

/** The attributes that a resource takes: what the API knows of it, and which of these cannot be set. */
export interface BodyShape {
  /** How messages call the argument. */
  readonly argument: string;
  readonly attributes: readonly string[];
  readonly readOnly: readonly string[];
}

/** @throws EngineError INVALID_INPUT, ApiError UNSUPPORTED_MEDIA_TYPE. */
export async function readJson(request: ApiRequest, shape: BodyShape): Promise<JsonObject> {
  const text = await request.text();
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(request.contentType)) throw unknownMediaType(request.contentType);
  if (text.trim() === '') throw badRequest(`Missing argument: "${shape.argument}"`);
  const body = parseBody(text);
  for (const name of Object.keys(body)) {
    if (shape.readOnly.includes(name)) throw invalidValue(name, body[name], 'Cannot set read only field.');
    if (!shape.attributes.includes(name)) throw badRequest(`Unknown attribute for argument ${shape.argument}: ${name}`);
  }
  return body;
}

/**
 * A definition is the body itself. A JSON object with a text under `definition` and no `version` is that text, as clients of
 * 2014 send it (spec/rest-api.md §5).
 */
export async function readDefinition(
  request: ApiRequest,
): Promise<{ readonly text: string; readonly scope: string | null }> {
  const text = await request.text();
  if (!/^application\/json\b/i.test(request.contentType) || !text.trimStart().startsWith('{'))
    return { text, scope: null };
  const { definition, scope, version } = tryObject(text);
  if (typeof definition !== 'string' || version !== undefined) return { text, scope: null };
  return { text: definition, scope: typeof scope === 'string' ? scope : null };
}

/** A JSON object, or text that holds one; undefined when the attribute is absent or null. */
export function objectAttribute(body: JsonObject, name: string): JsonObject | undefined {
  const value = body[name] ?? null;
  if (value === null || isJsonObject(value)) return value ?? undefined;
  const parsed = typeof value === 'string' && !isTooDeep(value) ? tryJson(value) : null;
  if (isJsonObject(parsed)) return parsed;
  throw invalidValue(name, value, 'It must be a JSON object, or text that holds one.');
}

/** Text; null when the attribute is absent, null or empty. */
export function textAttribute(body: JsonObject, name: string, maxLength = Number.POSITIVE_INFINITY): string | null {
  const value = body[name] ?? null;
  if (value === null || value === '') return null;
  if (typeof value !== 'string') throw invalidValue(name, value, 'It must be a text.');
  if (value.length > maxLength) throw invalidValue(name, value, `It must not be longer than ${maxLength} characters.`);
  return value;
}

/**
 * Text that something is found by: an id, a name, a namespace. What no database can store would never be found again.
 * As {@link textAttribute} otherwise.
 */
export function nameAttribute(body: JsonObject, name: string, maxLength = 255): string | null {
  const value = textAttribute(body, name, maxLength);
  if (value !== null && !isStorableText(value)) {
    throw invalidValue(name, value, 'It must be Unicode text without the character U+0000.');
  }
  return value;
}

/** true or false, also as text; undefined when the attribute is absent or null. */
export function flagAttribute(body: JsonObject, name: string): boolean | undefined {
  const value = body[name] ?? null;
  if (value === null) return undefined;
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(word) || value === 1) return true;
  if (['false', 'f', 'no', 'n', 'off', '0'].includes(word) || value === 0) return false;
  throw invalidValue(name, value, 'It must be true or false.');
}

function unknownMediaType(contentType: string): ApiError {
  return new ApiError('UNSUPPORTED_MEDIA_TYPE', `Unknown mimetype: ${contentType}`);
}

function parseBody(text: string): JsonObject {
  if (isTooDeep(text)) {
    throw badRequest(`Request is not in valid JSON format: it is nested more than ${MAX_NESTING} deep`);
  }
  const value = tryJson(text);
  if (value === undefined) throw badRequest('Request is not in valid JSON format');
  if (!isJsonObject(value))
    throw badRequest('Request is not in valid JSON format: the body must be an object, such as {"name": "value"}');
  return value;
}

/** Whether brackets outside of strings are nested too deep; says nothing about whether the text is JSON at all. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i);
        break;
      case OPENING_BRACKET:
      case OPENING_BRACE:
        if (++depth > MAX_NESTING) return true;
        break;
      case CLOSING_BRACKET:
      case CLOSING_BRACE:
        depth--;
    }
  }
  return false;
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPENING_BRACKET, CLOSING_BRACKET, OPENING_BRACE, CLOSING_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

function tryObject(text: string): JsonObject {
  const value = tryJson(text);
  return isJsonObject(value) ? value : {};
}

function tryJson(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
