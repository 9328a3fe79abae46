import { readFileSync } from 'node:fs';
import { formatWarning } from '../../dsl/errors.ts';
import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { readInput } from '../commands/input.ts';
import { readTextFile } from '../commands/settings.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { createClient } from './http.ts';
import type { Client } from './http.ts';
import type { Noun } from './nouns.ts';
import { showItem, showList, showValue, valueOf } from './output.ts';

export { showList, showValue } from './output.ts';
import type { Format } from './formats.ts';

/** What every command that talks to a server takes. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
  readonly format?: Format;
  readonly fields?: string;
}

export interface Session {
  readonly client: Client;
  readonly format: Format;
  /** Which fields to show; null: those that are usual. */
  readonly fields: readonly string[] | null;
  readonly terminal: Terminal;
}

export const DEFAULT_URL = 'http://127.0.0.1:8989';

/** Options over the variables TRAMONTANE_URL and TRAMONTANE_TOKEN over the server on this machine. @throws UsageError */
export function connect({ url, token, format = 'table', fields }: ConnectionOptions, terminal: Terminal): Session {
  const { environment } = terminal;
  const address = url ?? (environment['TRAMONTANE_URL'] || DEFAULT_URL);
  return {
    client: createClient(address, token ?? (environment['TRAMONTANE_TOKEN'] || null)),
    format,
    fields: fields?.split(',').map((name) => name.trim()) ?? null,
    terminal,
  };
}

export interface ListOptions {
  readonly limit?: string;
  readonly marker?: string;
  readonly sort?: string;
  readonly filter: readonly string[];
  readonly fields?: string;
  readonly allProjects?: boolean;
  readonly rootsOnly?: boolean;
  readonly namespace?: string;
}

const PAGE = 1000;

/** Follows the links to further pages, so that nothing is left out unless a limit is asked for. */
export async function list(
  session: Session,
  noun: Noun,
  options: ListOptions,
  path = `/v2/${noun.collection}`,
): Promise<ExitCode> {
  const { client, format, terminal } = session;
  const wanted = options.limit === undefined ? Number.POSITIVE_INFINITY : Number(options.limit);
  if (!(wanted >= 1)) throw new UsageError(`'${options.limit}' is no limit; write a number from 1`);
  const query = listQuery(options, Math.min(wanted, PAGE));
  const items: JsonObject[] = [];
  for (let marker = options.marker; ; ) {
    const reply = await client.call('GET', path, { query: { ...query, ...(marker === undefined ? {} : { marker }) } });
    const page = itemsOf(reply, noun.collection);
    items.push(...page);
    const last = page.at(-1)?.['id'];
    if (items.length >= wanted || !isJsonObject(reply) || reply['next'] === undefined || typeof last !== 'string')
      break;
    marker = last;
  }
  terminal.out(showList(items.slice(0, wanted), session.fields ?? noun.columns, format));
  return 0;
}

function listQuery(
  { sort, filter, fields, allProjects, rootsOnly, namespace }: ListOptions,
  limit: number,
): Record<string, string | undefined> {
  const keys = (sort ?? '')
    .split(',')
    .filter((key) => key !== '')
    .map((key) => key.split(':'));
  const filters = filter.map((text): [string, string] => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new UsageError(`'${text}' is no filter; write state=ERROR or name=has:load`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
  return {
    ...Object.fromEntries(filters),
    limit: String(limit),
    ...(keys.length === 0
      ? {}
      : {
          sort_keys: keys.map(([name]) => name).join(','),
          sort_dirs: keys.map(([, direction = 'asc']) => direction).join(','),
        }),
    ...(fields === undefined ? {} : { fields }),
    ...(allProjects === true ? { all_projects: 'true' } : {}),
    ...(rootsOnly === true ? { nulls: 'root_execution_id' } : {}),
    namespace,
  };
}

export async function get(
  session: Session,
  noun: Noun,
  identifier: string,
  namespace: string | undefined,
): Promise<ExitCode> {
  return show(session, await session.client.call('GET', itemPath(noun, identifier), { query: { namespace } }));
}

/** Several at once; those that cannot be deleted are named at the end. */
export async function remove(
  session: Session,
  noun: Noun,
  identifiers: readonly string[],
  query: Record<string, string | undefined>,
): Promise<ExitCode> {
  let code: ExitCode = 0;
  for (const identifier of identifiers) {
    try {
      await session.client.call('DELETE', itemPath(noun, identifier), { query });
      session.terminal.err(`deleted ${noun.noun} ${identifier}\n`);
    } catch (error) {
      session.terminal.err(`${identifier}: ${error instanceof Error ? error.message : String(error)}\n`);
      code = 1;
    }
  }
  return code;
}

export interface UploadOptions {
  readonly namespace?: string;
  readonly public?: boolean;
  readonly id?: string;
}

export async function upload(
  session: Session,
  noun: Noun,
  method: 'POST' | 'PUT',
  file: string,
  options: UploadOptions,
): Promise<ExitCode> {
  const path = options.id === undefined ? `/v2/${noun.collection}` : itemPath(noun, options.id);
  const query = { scope: options.public === true ? 'public' : 'private', namespace: options.namespace };
  const reply = await session.client.call(method, path, { query, text: readText(file) });
  const items =
    isJsonObject(reply) && noun.collection in reply
      ? itemsOf(reply, noun.collection)
      : isJsonObject(reply)
        ? [reply]
        : [];
  session.terminal.out(
    showList(
      items.map((item) => chosen(session, item)),
      session.fields ?? noun.columns,
      session.format,
    ),
  );
  return 0;
}

export async function validate(session: Session, noun: Noun, file: string): Promise<ExitCode> {
  const reply = await session.client.call('POST', `/v2/${noun.collection}/validate`, {
    query: { problems: 'true' },
    text: readText(file),
  });
  const valid = isJsonObject(reply) && reply['valid'] === true;
  for (const warning of warningsOf(reply)) session.terminal.err(`${warning}\n`);
  if (valid) session.terminal.out('valid\n');
  else session.terminal.err(`${isJsonObject(reply) ? String(reply['error']) : 'not valid'}\n`);
  return valid ? 0 : 1;
}

/** None from a server that does not tell them. */
function warningsOf(reply: Json): readonly string[] {
  const problems = isJsonObject(reply) ? reply['problems'] : null;
  if (!Array.isArray(problems)) return [];
  return problems.filter(isJsonObject).flatMap(({ severity, line, column, message, hint }) => {
    if (severity !== 'warning' || typeof line !== 'number' || typeof column !== 'number') return [];
    return [formatWarning({ line, column, message: String(message), hint: typeof hint === 'string' ? hint : null })];
  });
}

/** One field of an item as it is: a text, or the data in it. */
export async function field(session: Session, path: string, name: string): Promise<ExitCode> {
  const item = await session.client.call('GET', path);
  const value = isJsonObject(item) ? item[name] : null;
  if (name === 'definition' || name === 'content') session.terminal.out(`${String(value ?? '').trimEnd()}\n`);
  else session.terminal.out(showValue(valueOf(value), session.format));
  return 0;
}

/** Sends JSON and shows what comes back. Attributes that are undefined are left out. */
export async function send(session: Session, method: string, path: string, attributes: Attributes): Promise<ExitCode> {
  return show(session, await session.client.call(method, path, { json: given(attributes) }));
}

export type Attributes = Readonly<Record<string, Json | undefined>>;

/** What is not undefined. */
export function given(attributes: Attributes): JsonObject {
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

export function idOf(item: Json): string {
  return isJsonObject(item) ? String(item['id']) : '';
}

export function show(session: Session, reply: Json): ExitCode {
  const { format, terminal } = session;
  terminal.out(isJsonObject(reply) ? showItem(chosen(session, reply), format) : showValue(reply, format));
  return 0;
}

/** @throws UsageError naming a field that an item does not have. */
function chosen({ fields }: Session, item: JsonObject): JsonObject {
  const missing = fields?.find((name) => !Object.hasOwn(item, name));
  if (missing !== undefined)
    throw new UsageError(`There is no field '${missing}'; there are: ${Object.keys(item).join(', ')}`);
  return fields === null ? item : Object.fromEntries(fields.map((name): [string, Json] => [name, item[name] ?? null]));
}

export function itemPath(noun: Pick<Noun, 'collection'>, identifier: string): string {
  if (identifier === '') throw new UsageError('The identifier is empty.');
  return `/v2/${noun.collection}/${encodeURIComponent(identifier)}`;
}

export function itemsOf(reply: Json, collection: string): readonly JsonObject[] {
  const items = isJsonObject(reply) ? reply[collection] : null;
  return Array.isArray(items) ? items.filter(isJsonObject) : [];
}

/** A file, or standard input for `-`. */
export function readText(file: string): string {
  return file === '-' ? readFileSync(0, 'utf8') : readTextFile(file);
}

/** Values from files and `key=value`; undefined when nothing was given. */
export function data(sources: readonly string[], option: string): JsonObject | undefined {
  return sources.length === 0 ? undefined : readInput(sources, option);
}
