import { readFileSync } from 'node:fs';
import { TramontaneError } from '../../dsl/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { nearestName } from '../check-call.ts';
import type { TlsOptions } from '../http-client.ts';
import { toNumber } from '../inputs.ts';
import { CONNECTION_TYPES, connectionsOf, type Connection, type Connections } from './connection.ts';

/** Settings of connections that cannot be used: `message` has one line for each fault. */
export class ConnectionError extends TramontaneError {
  override readonly name = 'ConnectionError';

  constructor(faults: readonly string[]) {
    super('INVALID_INPUT', faults.join('\n'));
  }
}

/**
 * Reads the section `connections` of the configuration: by name `{type, url | urls, auth, headers, tls, timeout, limits, …}`. A
 * secret is a text, `{env: NAME}` or `{file: PATH}`.
 *
 * @throws ConnectionError with all faults.
 */
export function readConnections(
  section: JsonObject,
  environment: Readonly<Record<string, string | undefined>>,
): Connections {
  const faults: string[] = [];
  const connections = Object.entries(section).flatMap(([name, value]) => {
    const found = readConnection(new Reader(`connections.${name}`, value, environment, faults), name);
    return found === null ? [] : [found];
  });
  if (faults.length > 0) throw new ConnectionError(faults);
  return connectionsOf(connections);
}

const KEYS = [
  'type',
  'url',
  'urls',
  'auth',
  'headers',
  'tls',
  'timeout',
  'limits',
  'sql_gateway_url',
  'history_url',
  'master_ui',
];

function readConnection(at: Reader, name: string): Connection | null {
  at.knows(KEYS);
  const type = at.word('type', CONNECTION_TYPES);
  const one = at.address('url');
  const urls = one === null ? at.addresses('urls') : [one];
  if (one !== null && at.has('urls')) at.fault('urls', 'stands beside url; give one of them');
  if (one === null && urls.length === 0 && !at.has('url')) at.fault('url', 'is missing: the address of the server');
  const limits = at.section('limits');
  limits.knows(['requests', 'jobs']);
  const tls = readTls(at.section('tls'));
  const connection = {
    name,
    urls,
    headers: { ...at.texts('headers'), ...readAuth(at.section('auth')) },
    ...(tls !== null && { tls }),
    timeoutMs: (at.number('timeout', 0.1) ?? 30) * 1000,
    limits: { requests: limits.number('requests', 1), jobs: limits.number('jobs', 1) },
    gatewayUrl: at.address('sql_gateway_url'),
    historyUrl: at.address('history_url'),
    masterUi: at.address('master_ui'),
  };
  return type === null ? null : { ...connection, type };
}

function readAuth(at: Reader): Record<string, string> {
  at.knows(['basic', 'bearer']);
  if (at.has('basic') && at.has('bearer')) at.fault('bearer', 'stands beside basic; give one of them');
  if (at.has('bearer')) return { authorization: `Bearer ${at.secret('bearer') ?? ''}` };
  if (!at.has('basic')) return {};
  const basic = at.section('basic');
  basic.knows(['user', 'password']);
  const [user, password] = [basic.secret('user'), basic.secret('password')];
  return { authorization: `Basic ${Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')}` };
}

function readTls(at: Reader): TlsOptions | null {
  at.knows(['verify', 'ca_file', 'cert_file', 'key_file']);
  const [verify, ca, cert, key] = [at.flag('verify'), at.file('ca_file'), at.file('cert_file'), at.file('key_file')];
  if ((cert === null) !== (key === null))
    at.fault(cert === null ? 'cert_file' : 'key_file', 'is missing: both or none');
  if (verify !== false && ca === null && cert === null) return null;
  return {
    ...(verify === false && { verify: false }),
    ...(ca !== null && { ca }),
    ...(cert !== null && key !== null && { cert, key }),
  };
}

/** One mapping of the section: reads values by key and collects what is wrong with them. */
class Reader {
  private readonly place: string;
  private readonly values: JsonObject;
  private readonly environment: Readonly<Record<string, string | undefined>>;
  private readonly faults: string[];

  constructor(
    place: string,
    value: Json | undefined,
    environment: Readonly<Record<string, string | undefined>>,
    faults: string[],
  ) {
    this.place = place;
    this.environment = environment;
    this.faults = faults;
    this.values = isJsonObject(value) ? value : {};
    if (value !== undefined && !isJsonObject(value)) faults.push(`${place} is no mapping.`);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.values, key);
  }

  fault(key: string, what: string): void {
    this.faults.push(`${this.place}.${key} ${what}.`);
  }

  knows(keys: readonly string[]): void {
    for (const key of Object.keys(this.values)) {
      if (keys.includes(key)) continue;
      const near = nearestName(key, keys);
      this.fault(key, `is not known; ${near === null ? `known: ${keys.join(', ')}` : `did you mean '${near}'?`}`);
    }
  }

  section(key: string): Reader {
    return new Reader(`${this.place}.${key}`, this.values[key], this.environment, this.faults);
  }

  word<const T extends string>(key: string, words: readonly T[]): T | null {
    const found = words.find((one) => one === this.values[key]);
    if (found === undefined) this.fault(key, `must be one of ${words.join(', ')}`);
    return found ?? null;
  }

  number(key: string, least: number): number | null {
    const value = this.values[key];
    if (value === undefined) return null;
    const number = toNumber(value);
    if (number === null || number < least) this.fault(key, `must be a number, at least ${least}`);
    return number;
  }

  flag(key: string): boolean | null {
    const value = this.values[key];
    if (value !== undefined && typeof value !== 'boolean') this.fault(key, 'must be true or false');
    return typeof value === 'boolean' ? value : null;
  }

  address(key: string): string | null {
    return this.has(key) ? this.toAddress(key, this.values[key]) : null;
  }

  addresses(key: string): readonly string[] {
    const value = this.values[key];
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.length === 0) {
      this.fault(key, 'must be a list of addresses');
      return [];
    }
    return value.flatMap((one: Json) => this.toAddress(key, one) ?? []);
  }

  texts(key: string): Record<string, string> {
    const value = this.values[key];
    if (value === undefined) return {};
    if (!isJsonObject(value)) {
      this.fault(key, 'must be a mapping of texts');
      return {};
    }
    const inner = this.section(key);
    return Object.fromEntries(
      Object.keys(value).flatMap((name) => {
        const text = inner.secret(name);
        return text === null ? [] : [[name.toLowerCase(), text]];
      }),
    );
  }

  /** A text, `{env: NAME}` or `{file: PATH}`. Its value never appears in a message. */
  secret(key: string): string | null {
    const value = this.values[key];
    if (typeof value === 'string' && value !== '') return value;
    if (isJsonObject(value) && typeof value.env === 'string') {
      const found = this.environment[value.env] ?? '';
      if (found === '') this.fault(key, `names the variable ${value.env}, which is not set`);
      return found === '' ? null : found;
    }
    if (isJsonObject(value) && typeof value.file === 'string') return this.read(key, value.file)?.trim() ?? null;
    this.fault(key, 'must be a text, {env: NAME} or {file: PATH}');
    return null;
  }

  file(key: string): string | null {
    const value = this.values[key];
    if (value === undefined) return null;
    if (typeof value === 'string') return this.read(key, value);
    this.fault(key, 'must be a path');
    return null;
  }

  private read(key: string, path: string): string | null {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      this.fault(key, `names ${path}, which cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  private toAddress(key: string, value: Json | undefined): string | null {
    const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
    if (url === null || !['http:', 'https:'].includes(url.protocol)) {
      this.fault(key, 'must be an http or https address');
      return null;
    }
    if (url.username !== '' || url.password !== '') {
      this.fault(key, 'holds a user or password; put them under auth');
      return null;
    }
    // Paths are put behind it.
    if (url.search !== '' || url.hash !== '') {
      this.fault(key, 'must end with its path, without ? and #; secrets go under auth or headers');
      return null;
    }
    return String(value).replace(/\/+$/, '');
  }
}
