import type { IndexSet } from './model.ts';

/** The indices below `end` for which `isIn` holds; null for none. */
export function indexSet(end: number, isIn: (index: number) => boolean): IndexSet | null {
  const bytes = new Uint8Array((end + 7) >> 3);
  let size = 0;
  for (let index = 0; index < end; index++) {
    if (!isIn(index)) continue;
    bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
    size++;
  }
  return size === 0 ? null : packed(bytes, 0, size);
}

/** Takes out the `count` lowest indices. */
export function takeLowest(
  set: IndexSet,
  count: number,
): { readonly taken: readonly number[]; readonly rest: IndexSet | null } {
  const bytes = Uint8Array.from(Buffer.from(set.bits, 'base64'));
  const taken: number[] = [];
  for (let at = 0; at < bytes.length && taken.length < count; at++) {
    for (let bit = 0; bit < 8 && taken.length < count; bit++) {
      if (((bytes[at] ?? 0) & (1 << bit)) === 0) continue;
      bytes[at] = (bytes[at] ?? 0) & ~(1 << bit);
      taken.push(set.from + at * 8 + bit);
    }
  }
  const size = set.size - taken.length;
  return { taken, rest: size <= 0 ? null : packed(bytes, set.from, size) };
}

/** Without the empty bytes at its start: what is used up from below takes no room. */
function packed(bytes: Uint8Array, from: number, size: number): IndexSet {
  let start = 0;
  while (bytes[start] === 0) start++;
  return { from: from + start * 8, bits: Buffer.from(bytes.subarray(start)).toString('base64'), size };
}
