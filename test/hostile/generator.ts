import { gzipSync } from 'node:zlib';
import { changedText } from '../dsl/mutations.ts';
import type { Random } from '../simulation/random.ts';
import {
  DEFINITIONS,
  HEADERS,
  JSON_VALUES,
  MEDIA_TYPES,
  METHODS,
  nested,
  PATH_PARTS,
  QUERY_VALUES,
  TEXTS,
} from './values.ts';

/** How the bytes of a request reach the server. */
export const DELIVERIES = [
  'whole',
  // Each piece a little later.
  'slow',
  // The connection is cut in the head, in the body, or before the answer.
  'cut-head',
  'cut-body',
  'cut-answer',
  // The client says that it sends no more, and waits.
  'half-closed',
  // Several at once on one connection.
  'pipelined',
] as const;
export type Delivery = (typeof DELIVERIES)[number];

export interface HostileRequest {
  readonly delivery: Delivery;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | null;
  /** The operation of the document that it is made of: `GET /v2/workflows`. */
  readonly operation: string;
  /** What its head says of the body's length, where that is not true. */
  readonly framing: string | null;
}

/** The parts of an OpenAPI document that requests are made of. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
}

interface ApiOperation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: BodySchema }>>;
  };
}

interface BodySchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

interface Target {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  /** Attributes of a JSON body; null where the body is a text or absent. */
  readonly attributes: readonly string[] | null;
  readonly required: readonly string[];
  readonly takesText: boolean;
}

/** Makes requests of every operation of the document: the same seed makes the same ones. */
export class Generator {
  private readonly random: Random;
  private readonly targets: readonly Target[];
  private readonly tokens: readonly string[];
  /** Ids and names that answers have told, by collection. */
  private readonly known = new Map<string, string[]>();
  private count = 0;

  constructor(document: ApiDocument, random: Random, tokens: readonly string[]) {
    this.random = random;
    this.tokens = tokens;
    this.targets = targetsOf(document);
  }

  get operations(): readonly string[] {
    return this.targets.map(nameOf);
  }

  /** An id that requests may name from now on. */
  learn(id: string, collection: string): void {
    const ids = this.known.get(collection) ?? [];
    this.known.set(collection, ids);
    if (ids.length < MOST_KNOWN) ids.push(id);
    else ids[this.random.int(MOST_KNOWN)] = id;
  }

  next(): HostileRequest {
    // Each operation in turn, so that none is left out by chance.
    const target = this.targets[this.count++ % this.targets.length] as Target;
    const { random } = this;
    const method = random.chance(0.06) ? random.pick(METHODS) : target.method;
    const body = this.body(target);
    const delivery = random.chance(0.85) ? 'whole' : random.pick(DELIVERIES);
    return {
      delivery,
      method,
      path: this.path(target),
      headers: this.headers(body),
      body: body?.bytes ?? null,
      operation: nameOf(target),
      framing: random.chance(0.01) ? random.pick(FRAMINGS) : null,
    };
  }

  private path({ path, query }: Target): string {
    const { random } = this;
    let text = path.replaceAll(/\{\w+\}/g, () => this.identifier(collectionOf(path)));
    if (random.chance(0.03)) text = random.pick(PATH_TRICKS)(text);
    const names = Array.from({ length: random.chance(0.4) ? 0 : random.int(4) }, () =>
      query.length > 0 && random.chance(0.85) ? random.pick(query) : random.pick(PARAMETERS),
    );
    if (names.length === 0) return text;
    return `${text}?${names.map((name) => `${name}=${this.queryValue(name)}`).join('&')}`;
  }

  private identifier(collection: string): string {
    const { random } = this;
    const known = this.knownId(collection);
    if (known === null || random.chance(0.3)) return random.pick(PATH_PARTS);
    const id = encodeURIComponent(known);
    if (random.chance(0.6)) return id;
    switch (random.int(6)) {
      case 0:
        return id.toUpperCase();
      case 1:
        return id.slice(0, random.int(id.length));
      case 2:
        return id.replaceAll('-', '');
      case 3:
        return `${id}${random.pick(PATH_PARTS)}`;
      case 4:
        return id.replace(/./, (char) => `%${char.charCodeAt(0).toString(16)}`);
      default:
        return `%20${id}%20`;
    }
  }

  /** Of the collection itself, as a rule; null where nothing is known yet. */
  private knownId(collection: string): string | null {
    const { random, known } = this;
    const own = known.get(collection);
    if (own !== undefined && random.chance(0.8)) return random.pick(own);
    return known.size === 0 ? null : random.pick(random.pick([...known.values()]));
  }

  private queryValue(name: string): string {
    const { random } = this;
    if (Object.hasOwn(LIKELY_IN_QUERY, name) && random.chance(0.6)) return LIKELY_IN_QUERY[name] ?? '';
    const known = random.chance(0.15) ? this.knownId('') : null;
    if (known !== null) return encodeURIComponent(known);
    return random.pick(QUERY_VALUES);
  }

  private headers(body: Body | null): (readonly [string, string])[] {
    const { random } = this;
    const headers: (readonly [string, string])[] = [];
    if (!random.chance(0.05)) headers.push(['X-Auth-Token', random.pick(this.tokens)]);
    if (body !== null && !random.chance(0.03)) {
      headers.push(['Content-Type', random.chance(0.9) ? body.type : random.pick(MEDIA_TYPES)]);
    }
    for (let more = random.chance(0.2) ? 1 + random.int(3) : 0; more > 0; more--) headers.push(random.pick(HEADERS));
    if (random.chance(0.002)) for (let n = 0; n < 500; n++) headers.push([`X-${n}`, 'x']);
    return headers;
  }

  private body(target: Target): Body | null {
    const { random } = this;
    const wants = target.attributes !== null || target.takesText;
    if (wants ? random.chance(0.03) : !random.chance(0.05)) return null;
    const isText = target.takesText !== random.chance(0.05);
    const text = isText ? this.text(target.path) : this.json(target.attributes ?? ATTRIBUTES, target.required);
    return { type: isText ? 'text/plain' : 'application/json', bytes: this.encode(text) };
  }

  private json(attributes: readonly string[], required: readonly string[]): string {
    const { random } = this;
    if (random.chance(0.03)) return random.pick(JSON_VALUES);
    // Half of them have what must be there, so that they come beyond the first check.
    const needed = ['workflow_name', ...required].filter((name) => attributes.includes(name));
    const others = Array.from({ length: random.int(4) }, () =>
      attributes.length > 0 && random.chance(0.95) ? random.pick(attributes) : random.pick(ATTRIBUTES),
    );
    const names = random.chance(0.5) ? [...needed, ...others] : others;
    const members = names.map((name) => `${JSON.stringify(name)}:${this.value(name)}`);
    const text = `{${members.join(random.chance(0.01) ? ',,' : ',')}}`;
    if (random.chance(0.04)) return changedText(text, this.chance());
    if (random.chance(0.002)) return `{"input":{"a":"${'x'.repeat(1_500_000)}"}}`;
    if (random.chance(0.002)) return `{"${'k'.repeat(200_000)}":1}`;
    if (random.chance(0.002)) return `{"input":${nested('[', ']', 100_000)}}`;
    if (random.chance(0.002)) return `{"input":{"a":${'9'.repeat(100_000)}}}`;
    if (random.chance(0.001))
      return `{"input":{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":${n}`).join(',')}}}`;
    return text;
  }

  /** Likely ones, and all others. */
  private value(name: string): string {
    const { random } = this;
    if (random.chance(0.7)) {
      const likely = Object.hasOwn(LIKELY, name) ? LIKELY[name] : undefined;
      if (likely !== undefined) return random.pick(likely);
      if (/(^id|_id|^name|_name)$/.test(name)) {
        const known = this.knownId(name.startsWith('workflow') ? 'workflows' : '');
        if (known !== null) return JSON.stringify(known);
      }
    }
    return random.pick(JSON_VALUES);
  }

  private text(path: string): string {
    const { random } = this;
    if (random.chance(0.15)) return random.pick(TEXTS);
    const fitting = DEFINITIONS.filter((text) => KINDS[collectionOf(path)]?.test(text) ?? true);
    const definition = random.pick(random.chance(0.8) ? fitting : DEFINITIONS).replaceAll('NAME', random.pick(NAMES));
    if (random.chance(0.4)) return definition;
    if (random.chance(0.01)) return definition.repeat(500);
    return changedText(definition, this.chance());
  }

  private encode(text: string): Buffer {
    const { random } = this;
    if (!random.chance(0.05)) return Buffer.from(text);
    switch (random.int(8)) {
      case 0:
        return Buffer.from(text, 'utf16le');
      case 1:
        return Buffer.from(text, 'latin1');
      case 2:
        return Buffer.from(`\ufeff${text}`);
      case 3:
        return gzipSync(text);
      case 4:
        return Buffer.concat([Buffer.from(text), Buffer.from([0xc3])]);
      case 5:
        return Buffer.from(text).map((byte) => (random.chance(0.02) ? random.int(256) : byte)) as Buffer;
      case 6:
        return Buffer.concat([Buffer.from(text), Buffer.alloc(random.int(2) * 1000)]);
      default:
        // Beyond the limit of bodies, but rarely: each costs the time to send it.
        return random.chance(0.02) ? Buffer.alloc(17 * 1024 * 1024, 0x20) : Buffer.from(`${' '.repeat(50_000)}${text}`);
    }
  }

  private chance(): Iterator<number> {
    return { next: () => ({ done: false, value: this.random.int(1 << 30) }) };
  }
}

interface Body {
  readonly type: string;
  readonly bytes: Buffer;
}

const MOST_KNOWN = 200;

/** What only a definition for this collection has. */
const KINDS: Readonly<Record<string, RegExp>> = {
  workbooks: /^name:/m,
  workflows: /^ {2}tasks:/m,
  actions: /^ {2}base:/m,
};

const NAMES = ['wf', 'made', 'made2', 'book', 'act', '__proto__', 'x.y', '"1"', 'ü'];

const PARAMETERS = [
  'bogus',
  '',
  '__proto__',
  'constructor',
  'limit',
  'marker',
  'fields',
  'sort_keys',
  'id',
  '%00',
  '%ZZ',
  'all_projects',
];

const ATTRIBUTES = [
  'id',
  'name',
  'state',
  'input',
  'params',
  'workflow_name',
  'definition',
  '__proto__',
  'constructor',
  'bogus',
  'project_id',
];

const LIKELY: Readonly<Record<string, readonly string[]>> = {
  workflow_name: ['"wf"', '"hold"', '"made"', '"book.inner"'],
  name: ['"std.echo"', '"act"', '"env"', '"made"', '"std.async_noop"', '"std.noop"'],
  state: ['"RUNNING"', '"PAUSED"', '"SUCCESS"', '"ERROR"', '"CANCELLED"', '"SKIPPED"'],
  input: ['{}', '{"a":2}', '{"output":1}', '"{\\"output\\":[1]}"'],
  params: ['{}', '{"env":{"x":1}}', '{"save_result":true}', '{"env":"env"}'],
  reset: ['true', 'false'],
  variables: ['{"x":1}', '"{}"'],
  pattern: ['"0 0 1 1 *"', '"* * 31 2 *"'],
  scope: ['"private"', '"public"'],
  status: ['"accepted"', '"RUNNING"'],
  remaining_executions: ['1', '"2"', 'null'],
  exchange: ['"x"'],
  topic: ['"t"'],
  event: ['"e"'],
};

const LIKELY_IN_QUERY: Readonly<Record<string, string>> = {
  limit: '3',
  sort_keys: 'created_at',
  sort_dirs: 'desc',
  fields: 'id,name',
  namespace: '',
  scope: 'private',
  force: 'true',
  format: 'dot',
  name: 'made',
  identifier: 'code',
  types: 'task',
};

const FRAMINGS = [
  'Content-Length: 0',
  'Content-Length: -5',
  'Content-Length: 99999999999999999999',
  'Content-Length: 10',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 5, 5',
  'Content-Length: 5\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding : chunked',
];

const PATH_TRICKS: readonly ((path: string) => string)[] = [
  (path) => `/${path}`,
  (path) => path.replaceAll('/', '//'),
  (path) => `${path}/`,
  (path) => `${path}//`,
  (path) => `${path}/x/y/z`,
  (path) => `/v2/..${path}`,
  (path) => `/v2/%2e%2e${path}`,
  (path) => path.replace('/v2', '/V2'),
  (path) => path.replace('/v2', '/%76%32'),
  (path) => path.replaceAll('/', '\\'),
  (path) => path.slice(1),
  (path) => `http://evil.example${path}`,
  (path) => `http://[${path}`,
  (path) => `//evil.example${path}`,
  (path) => `${path};a=b`,
  (path) => `${path}#x`,
  (path) => `${path}%`,
  (path) => `${path}.json`,
  (path) => `${path}\u00e9`,
  () => '*',
  () => '/',
  (path) => `${path}/${'a/'.repeat(2000)}`,
];

function targetsOf({ paths }: ApiDocument): readonly Target[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { parameters = [], requestBody }]) => {
      const json = requestBody?.content['application/json']?.schema;
      return {
        method: method.toUpperCase(),
        path,
        query: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
        attributes: json === undefined ? null : Object.keys(json.properties ?? {}),
        required: json?.required ?? [],
        takesText: requestBody?.content['text/plain'] !== undefined,
      };
    }),
  );
}

/** `workflows` of `/v2/workflows/{identifier}`. */
export function collectionOf(path: string): string {
  return path.split(/[/?]/)[2] ?? '';
}

function nameOf({ method, path }: Target): string {
  return `${method} ${path}`;
}
