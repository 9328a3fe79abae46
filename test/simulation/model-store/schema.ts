import { toValue } from './syntax.ts';
import type { TableSchema, Value } from './tables.ts';

/**
 * Stands in for knex's table builder while a migration runs, and notes what a table is like: columns, defaults, keys, indexes.
 * Types are not kept: like SQLite, a column takes any value.
 */
export function recordTable(name: string, build: (table: never) => void): TableSchema {
  const columns = new Map<string, Value>();
  const required = new Set<string>();
  const unique: (readonly string[])[] = [];
  const indexed = new Set<string>();
  let primary: readonly string[] = [];
  let counter: string | null = null;
  const column = (title: string): object => {
    columns.set(title, null);
    const chain: object = new Proxy(
      {},
      {
        get: (_target, key) => (value?: unknown) => {
          if (key === 'notNullable') required.add(title);
          else if (key === 'primary') {
            primary = [title];
            indexed.add(title);
          } else if (key === 'unique') unique.push([title]);
          else if (key === 'index') indexed.add(title);
          else if (key === 'defaultTo') columns.set(title, toValue(value));
          else if (!CHAINED.has(String(key)))
            throw new Error(`the model store knows no column option '${String(key)}'`);
          return chain;
        },
      },
    );
    return chain;
  };
  const table = new Proxy(
    {},
    {
      get: (_target, key) => (first: unknown) => {
        const names = [first].flat().map(String);
        const [title = ''] = names;
        switch (key) {
          case 'unique':
            unique.push(names);
            indexed.add(title);
            return undefined;
          case 'index':
            indexed.add(title);
            return undefined;
          case 'primary':
            primary = names;
            indexed.add(title);
            return undefined;
          case 'increments':
          case 'bigIncrements': {
            counter = title;
            primary = [title];
            return column(title);
          }
          default:
            if (!COLUMN_TYPES.has(String(key)))
              throw new Error(`the model store knows no column type '${String(key)}'`);
            return column(title);
        }
      },
    },
  );
  build(table as never);
  return { name, columns, required, primary, counter, unique, indexed };
}

const COLUMN_TYPES: ReadonlySet<string> = new Set([
  'string',
  'text',
  'integer',
  'bigInteger',
  'float',
  'double',
  'boolean',
  'timestamp',
  'binary',
  'uuid',
]);
const CHAINED: ReadonlySet<string> = new Set([
  'nullable',
  'references',
  'inTable',
  'onDelete',
  'onUpdate',
  'comment',
  'unsigned',
  'collate',
]);
