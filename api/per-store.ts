import type { Store } from '../engine/store/connection.ts';

/** What there is one of for each store, made when it is first asked for and gone with the store. */
export function perStore<T extends object>(create: (store: Store) => T): (store: Store) => T {
  const made = new WeakMap<Store, T>();
  return (store) => {
    let one = made.get(store);
    if (one === undefined) made.set(store, (one = create(store)));
    return one;
  };
}
