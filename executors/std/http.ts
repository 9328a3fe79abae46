import { readFile } from 'node:fs/promises';
import { isJsonObject, parseJson, stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import { toFloat } from '../../dsl/yaql/numbers.ts';
import type { ActionResult, ParameterSchema } from '../../engine/contract.ts';
import { failure, success, type ActionContext, type AsyncAction, type SyncAction } from '../action.ts';
import { headerOf, type HttpRequest, type HttpResponse } from '../http-client.ts';
import { toNumber, toText } from '../inputs.ts';

/** spec/engine.md E-27.1. */
const DEFAULT_TIMEOUT_SECONDS = 60;

export const http: SyncAction = {
  name: 'std.http',
  description:
    'Sends an HTTP request. Succeeds with a status from 200 to 306; redirects are followed only with `allow_redirects`.',
  kind: 'sync',
  repeatSafe: false,
  parameters: parametersOfHttp(),
  result: {
    description:
      'The answer; the content is parsed when it is JSON. An error status gives an error with the same shape.',
    schema: resultSchema(),
  },
  examples: [
    {
      title: 'Read JSON and publish a field',
      yaml: "ask:\n  action: std.http url='https://api.example.com/rows' timeout=10\n  publish:\n    rows: <% task().result.content.rows %>\n",
    },
    {
      title: 'Send JSON',
      yaml: 'tell:\n  action: std.http\n  input:\n    url: https://api.example.com/rows\n    method: POST\n    json: {day: <% $.day %>}\n',
    },
  ],
  run: (input, context) => call(input, {}, context),
};

/** spec/engine.md §27: the called service completes the action through its callback URL. */
export const mistralHttp: AsyncAction = {
  name: 'std.mistral_http',
  description:
    'Sends an HTTP request as `std.http` does, tells the service who asks, and waits until somebody completes the action through the API.',
  kind: 'async',
  repeatSafe: false,
  parameters: parametersOfHttp(),
  result: { description: 'What the action is completed with. An error status completes it at once.' },
  examples: [
    {
      title: 'Start something that answers later',
      yaml: "order:\n  action: std.mistral_http url='https://jobs.example.com/start' method=POST\n  timeout: 3600\n",
    },
  ],
  run: (input, context) => call(input, callbackHeaders(context), context),
};

const MAX_ANSWER_BYTES = 5 * 1024 * 1024;

async function call(
  input: JsonObject,
  extraHeaders: Record<string, string>,
  context: ActionContext,
): Promise<ActionResult> {
  if ((input.body ?? null) !== null && (input.json ?? null) !== null) {
    return failure("Only one of the parameters 'json' and 'body' can be passed");
  }
  let answer: HttpResponse;
  try {
    answer = await context.http.exchange({ ...(await toRequest(input, extraHeaders)), signal: context.signal });
  } catch (error) {
    // A stop is told by whoever caused it.
    context.signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    return failure(
      message.startsWith('HTTP response is too large') ? message : `Failed to send HTTP request: ${message}`,
      true,
    );
  }
  const output = toOutput(answer);
  return answer.status >= 200 && answer.status < 307 ? success(output) : failure(output, answer.status >= 500);
}

async function toRequest(input: JsonObject, extraHeaders: Record<string, string>): Promise<HttpRequest> {
  const url = withParams(toText(input.url ?? ''), input.params ?? null);
  const headers: Record<string, string> = { ...headersOf(input.headers ?? null), ...extraHeaders };
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const auth = authorizationOf(input.auth ?? null);
  if (auth !== null && !names.has('authorization')) headers.Authorization = auth;
  const cookies = cookieHeader(input.cookies ?? null);
  if (cookies !== null && !names.has('cookie')) headers.Cookie = cookies;
  if ((input.json ?? null) !== null && !names.has('content-type')) headers['Content-Type'] = 'application/json';
  const body = bodyOf(input);
  const seconds =
    toNumber(input.timeout ?? null) ??
    (typeof input.timeout === 'string' ? Number(input.timeout) : DEFAULT_TIMEOUT_SECONDS);
  return {
    method: toText(input.method ?? 'GET').toUpperCase(),
    url,
    headers,
    ...(body !== null && { body }),
    timeoutMs: (seconds > 0 ? seconds : DEFAULT_TIMEOUT_SECONDS) * 1000,
    followRedirects: input.allow_redirects === true,
    maxBytes: MAX_ANSWER_BYTES,
    ...(url.toLowerCase().startsWith('https:') && { tls: await tlsOf(input.verify ?? null) }),
    ...(isJsonObject(input.proxies) && { proxies: textsOf(input.proxies) }),
  };
}

function bodyOf(input: JsonObject): string | null {
  const json = input.json ?? null;
  const body = input.body ?? null;
  if (json !== null) return stringifyJson(json);
  return body === null ? null : toText(body);
}

/** A list gives a parameter several times; null leaves it out. */
function withParams(url: string, params: Json): string {
  if (params === null || (isJsonObject(params) && Object.keys(params).length === 0)) return url;
  const [base = '', fragment] = url.split('#');
  const query = isJsonObject(params) ? encodeParams(params) : toText(params).replace(/^\?/, '');
  const joined = `${base}${base.includes('?') ? '&' : '?'}${query}`;
  return fragment === undefined ? joined : `${joined}#${fragment}`;
}

function encodeParams(params: JsonObject): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null) search.append(name, toText(one));
  }
  return search.toString();
}

function headersOf(headers: Json): Record<string, string> {
  return isJsonObject(headers) ? textsOf(headers) : {};
}

function textsOf(values: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, toText(value)]])),
  );
}

function authorizationOf(auth: Json): string | null {
  if (auth === null || auth === '') return null;
  return `Basic ${Buffer.from(toText(auth)).toString('base64')}`;
}

function cookieHeader(cookies: Json): string | null {
  if (!isJsonObject(cookies) || Object.keys(cookies).length === 0) return null;
  return Object.entries(textsOf(cookies))
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
}

/** `verify` is a switch, or the path of a file with the authorities to trust. */
async function tlsOf(verify: Json): Promise<{ verify?: boolean; ca?: string }> {
  if (verify === false) return { verify: false };
  return typeof verify === 'string' && verify !== '' ? { ca: await readFile(verify, 'utf8') } : {};
}

function toOutput(answer: HttpResponse): JsonObject {
  const encoding = encodingOf(answer);
  return {
    content: contentOf(answer.body, encoding),
    status: answer.status,
    headers: mergedHeaders(answer),
    url: answer.url,
    history: answer.history.map(({ status, url }) => ({ status, url })),
    encoding,
    reason: answer.reason,
    cookies: cookiesOf(answer),
    elapsed: toFloat(Math.round(answer.elapsedMs * 1000) / 1_000_000),
  };
}

function contentOf(body: Buffer, encoding: string | null): Json {
  const text = decodeText(body, encoding);
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

function decodeText(body: Buffer, encoding: string | null): string {
  try {
    return new TextDecoder(encoding ?? 'utf-8').decode(body);
  } catch {
    return body.toString('utf8');
  }
}

/** The declared charset; for text without one the standard's default, as the reference's library says. */
function encodingOf(answer: HttpResponse): string | null {
  const type = headerOf(answer.headers, 'content-type') ?? '';
  const charset = /charset=["']?([^;"'\s]+)/i.exec(type)?.[1];
  if (charset !== undefined) return charset;
  if (/^application\/json/i.test(type)) return 'utf-8';
  return /^text\//i.test(type) ? 'ISO-8859-1' : null;
}

function mergedHeaders(answer: HttpResponse): JsonObject {
  const merged = new Map<string, readonly [string, string]>();
  for (const [name, value] of answer.headers) {
    const before = merged.get(name.toLowerCase());
    merged.set(name.toLowerCase(), before === undefined ? [name, value] : [before[0], `${before[1]}, ${value}`]);
  }
  return Object.fromEntries(merged.values());
}

function cookiesOf(answer: HttpResponse): JsonObject {
  const cookies: [string, string][] = [];
  for (const [name, value] of answer.headers) {
    const match = name.toLowerCase() === 'set-cookie' ? /^\s*([^=;]+)=([^;]*)/.exec(value) : null;
    if (match !== null) cookies.push([match[1]?.trim() ?? '', match[2]?.trim() ?? '']);
  }
  return Object.fromEntries(cookies);
}

function callbackHeaders(context: ActionContext): Record<string, string> {
  const { run } = context;
  return {
    'Mistral-Workflow-Name': run.workflowName ?? '',
    'Mistral-Workflow-Execution-Id': run.workflowExecutionId ?? '',
    'Mistral-Task-Id': run.taskExecutionId ?? '',
    'Mistral-Action-Execution-Id': run.actionExecutionId,
    'Mistral-Callback-URL': run.callbackUrl,
  };
}

/** Without `default`s but for the method: the list of parameters reads as Mistral shows it. */
function parametersOfHttp(): ParameterSchema {
  return {
    type: 'object',
    properties: {
      url: { type: 'string', description: 'http or https address.' },
      method: { type: ['string', 'null'], default: 'GET', description: 'HTTP method.' },
      params: {
        type: ['object', 'string', 'null'],
        description: 'Query parameters; a list gives a parameter several times.',
      },
      body: { description: 'Text to send; a mapping is sent as JSON text. Not together with `json`.' },
      json: { description: 'Any value, sent as JSON with its content type.' },
      headers: { type: ['object', 'null'], description: 'Header names and values.' },
      cookies: { type: ['object', 'null'], description: 'Cookie names and values.' },
      auth: { type: ['string', 'null'], description: '`user:password` for basic authentication.' },
      timeout: {
        type: ['number', 'string', 'null'],
        description: `Seconds for the whole exchange; without it ${DEFAULT_TIMEOUT_SECONDS}.`,
      },
      allow_redirects: {
        type: ['boolean', 'null'],
        description: 'Whether redirects are followed; they are not unless it is true.',
      },
      proxies: { type: ['object', 'null'], description: 'Proxy address by scheme: {http: …, https: …}.' },
      verify: {
        type: ['boolean', 'string', 'null'],
        description: 'For https: whether to check the certificate (without it: yes), or a file of authorities.',
      },
    },
    required: ['url'],
    additionalProperties: false,
  };
}

function resultSchema(): JsonObject {
  return {
    type: 'object',
    properties: {
      content: { description: 'Parsed JSON, else text.' },
      status: { type: 'integer' },
      headers: { type: 'object' },
      url: { type: 'string' },
      history: { type: 'array' },
      encoding: { type: ['string', 'null'] },
      reason: { type: 'string' },
      cookies: { type: 'object' },
      elapsed: { type: 'number', description: 'Seconds.' },
    },
  };
}
