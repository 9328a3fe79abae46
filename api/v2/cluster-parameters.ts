import { isJsonObject, parseJson, stringifyJson } from '../../dsl/json.ts';
import type { Json } from '../../dsl/json.ts';
import { isStorableText } from '../../engine/store/columns.ts';
import { labelsOf } from '../../cluster-pool/contract.ts';
import type { ApiRequest } from '../request.ts';

/** A parameter that cannot be what it should be; its message is the answer's error text. */
export class BadParameter extends Error {
  override readonly name = 'BadParameter';
}

/**
 * Parameters of a request of Cello's API: looked for in the query, then in a form, then in a JSON object, whatever the content type and
 * the verb (spec/cluster.md §1.1). Texts from a query mean what they say: `False` is false, `4` is a number where a number is meant.
 */
export class ClusterParameters {
  private readonly values: ReadonlyMap<string, Json>;

  private constructor(values: ReadonlyMap<string, Json>) {
    this.values = values;
  }

  /** @throws ApiError and EngineError where the body cannot be read at all. */
  static async read(request: ApiRequest): Promise<ClusterParameters> {
    const text = await request.text();
    const values = new Map<string, Json>();
    for (const source of [request.query, formOf(text, request.contentType), objectOf(text)])
      for (const [name, value] of source) if (!values.has(name)) values.set(name, value);
    return new ClusterParameters(values);
  }

  names(): readonly string[] {
    return [...this.values.keys()];
  }

  /** Single values as text; null when it is absent, null or empty. */
  text(name: string): string | null {
    const value = this.values.get(name) ?? null;
    if (value === null || value === '') return null;
    if (Array.isArray(value) || isJsonObject(value)) throw new BadParameter(`Invalid ${name}`);
    const text = typeof value === 'string' ? value : stringifyJson(value);
    if (!isStorableText(text)) throw new BadParameter(`Invalid ${name}`);
    return text;
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  flag(name: string): boolean {
    const value = this.values.get(name) ?? null;
    if (typeof value === 'boolean') return value;
    return value !== null && !['', '0', 'false', 'no', 'off', 'none'].includes(String(value).trim().toLowerCase());
  }

  /** Null when it is absent; undefined when it is no number. */
  number(name: string): number | null | undefined {
    const text = this.text(name);
    if (text === null) return null;
    return /^\s*[+-]?\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
  }

  /** `labels` as an object or as JSON text, and each `labels.<name>`. */
  labels(): Readonly<Record<string, string>> {
    const value = this.values.get('labels') ?? null;
    const given = typeof value === 'string' && value !== '' ? tryJson(value) : value;
    const labels = given === null || given === '' ? {} : labelsOf(given ?? null);
    if (labels === undefined) throw new BadParameter('Invalid labels');
    const single = this.names().filter((name) => name.startsWith('labels.'));
    return Object.fromEntries([
      ...Object.entries(labels),
      ...single.map((name): [string, string] => [name.slice('labels.'.length), this.text(name) ?? '']),
    ]);
  }
}

function formOf(text: string, contentType: string): Iterable<[string, Json]> {
  return /^application\/x-www-form-urlencoded\b/i.test(contentType) ? new URLSearchParams(text) : [];
}

function objectOf(text: string): Iterable<[string, Json]> {
  // Far more than parameters need; deeper texts could exhaust the stack of whoever reads them.
  if (!/^\s*\{/.test(text) || (text.match(/[[{]/g)?.length ?? 0) > 1000) return [];
  const value = tryJson(text);
  return isJsonObject(value) ? Object.entries(value) : [];
}

function tryJson(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
