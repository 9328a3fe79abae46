/** Cuts names into lists whose encoded text fits into the room, at least one each: Flink reads no line beyond 4096 bytes (spec/flink.md §1.1). */
export function portionsOf(names: readonly string[], room: number): readonly (readonly string[])[] {
  const portions: string[][] = [];
  let left = 0;
  for (const name of names) {
    // The comma is encoded as well.
    const length = encodeURIComponent(name).length + 3;
    const last = portions.at(-1);
    if (last === undefined || length > left) {
      portions.push([name]);
      left = room - length;
    } else {
      last.push(name);
      left -= length;
    }
  }
  return portions;
}
