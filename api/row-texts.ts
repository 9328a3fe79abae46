import { stringifyJson } from '../dsl/json.ts';
import type { Collection } from '../engine/store/collections.ts';
import type { Store } from '../engine/store/connection.ts';
import type { ListRow } from '../engine/store/lists.ts';
import { rowsByIds } from '../engine/store/rows-by-id.ts';
import type { Field } from './fields.ts';
import { perStore } from './per-store.ts';
import { columnsOf, show } from './resources.ts';
import type { Resource } from './resources.ts';

/**
 * What items of lists look like on the wire, kept for as long as their rows have not changed: lists are asked for again and again,
 * most of what they show has ended long ago, and reading and writing it anew is nearly all that they cost.
 */
export class RowTexts {
  private readonly store: Store;
  private readonly maxCharacters: number;
  // Two generations: what was not asked for while the younger one filled up goes with the older one.
  private young = new Map<string, KeptText>();
  private old: ReadonlyMap<string, KeptText> = new Map();
  private youngCharacters = 0;

  /** @param maxCharacters how much text is kept at most. */
  constructor(store: Store, maxCharacters: number = MAX_CHARACTERS) {
    this.store = store;
    this.maxCharacters = maxCharacters;
  }

  /**
   * The texts of these rows in their order, without those that have gone meanwhile; of rows that have changed meanwhile the newer ones.
   *
   * @param stamps id and {@link Collection.stamp} of each row, as just read.
   */
  async read(
    { resource, collection }: { readonly resource: Resource; readonly collection: Collection },
    fields: readonly Field[],
    stamps: readonly ListRow[],
  ): Promise<string[]> {
    const columns = collection.stamp ?? [];
    const kind = kindOf(resource, fields);
    const texts = stamps.map((row) => this.kept(kind + row.id, columns, row));
    const missing = stamps.filter((_, i) => texts[i] === undefined).map(({ id }) => id);
    if (missing.length === 0) return texts as string[];
    const select = [...new Set(['id', ...columns, ...columnsOf(fields)])];
    const found = new Map<string, string>();
    for (const row of await rowsByIds(this.store.reader, collection.table, missing, select)) {
      const text = stringifyJson(show(fields, row));
      found.set(row.id, text);
      this.keep(kind + row.id, { stamp: columns.map((column) => row[column] ?? null), text });
    }
    return stamps.flatMap(({ id }, i) => texts[i] ?? found.get(id) ?? []);
  }

  private kept(key: string, columns: readonly string[], row: ListRow): string | undefined {
    const young = this.young.get(key);
    const kept = young ?? this.old.get(key);
    if (kept === undefined) return undefined;
    for (let i = 0; i < columns.length; i++) if (kept.stamp[i] !== row[columns[i] ?? '']) return undefined;
    if (young === undefined) this.keep(key, kept);
    return kept.text;
  }

  private keep(key: string, kept: KeptText): void {
    const size = kept.text.length + OVERHEAD;
    const half = this.maxCharacters / 2;
    // One that is as large as many others is not worth their place.
    if (size > half / 50) return;
    if (this.youngCharacters + size > half) {
      this.old = this.young;
      this.young = new Map();
      this.youngCharacters = 0;
    }
    const before = this.young.get(key);
    if (before !== undefined) this.youngCharacters -= before.text.length + OVERHEAD;
    this.young.set(key, kept);
    this.youngCharacters += size;
  }
}

/** The texts of a store's rows. */
export const rowTextsOf = perStore((store) => new RowTexts(store));

/** 8 MB, or twice that where texts are not of Latin letters: some ten thousand executions. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

/** What an entry takes beside its text. */
const OVERHEAD = 250;

interface KeptText {
  readonly stamp: readonly ListRow[string][];
  readonly text: string;
}

/** Tells texts of other fields of the same rows apart: a bit for each field of the resource. */
function kindOf(resource: Resource, fields: readonly Field[]): string {
  const chosen = new Set(fields.map(({ name }) => name));
  const bits = resource.fields.reduce((sum, { name }, i) => (chosen.has(name) ? sum + 2 ** i : sum), 0);
  return `${resource.collection} ${bits.toString(36)} `;
}
