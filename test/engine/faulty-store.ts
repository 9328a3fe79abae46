import type { Knex } from 'knex';
import type { Store } from '../../engine/store/connection.ts';

/** What becomes of a transaction: it works, fails before it begins or before it commits, or commits without anybody hearing of it. */
export type Fault = 'none' | 'before' | 'inside' | 'after';

/** The same store, whose writer's transactions meet with what `next` says; `error` is what they fail with. */
export function faultyStore(
  store: Store,
  next: () => Fault,
  error: () => Error = () => new Error('broken on purpose'),
): Store {
  const transaction = async (work: (trx: Knex.Transaction) => Promise<unknown>): Promise<unknown> => {
    const fault = next();
    if (fault === 'before') throw error();
    const result = await store.writer.transaction(async (trx) => {
      const value = await work(trx);
      if (fault === 'inside') throw error();
      return value;
    });
    if (fault === 'after') throw error();
    return result;
  };
  const writer = new Proxy(store.writer, {
    get: (target, key) => (key === 'transaction' ? transaction : Reflect.get(target, key)),
  });
  return { ...store, writer };
}
