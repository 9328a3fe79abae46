/**
 * Keeps what was made for texts used lately, up to a number of entries and of characters.
 *
 * Two generations: what is used again moves from the old one to the young one, and when the young one is half of all that may be kept, it
 * becomes the old one. So a text that is found young costs one look and no write; moving each hit to the end of one map, as
 * a strict order of use needs, took longer than evaluating a short expression.
 */
export class TextCache<Value> {
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();
  private youngCharacters = 0;
  private readonly maxEntries: number;
  private readonly maxCharacters: number;

  constructor(maxEntries: number, maxCharacters: number) {
    this.maxEntries = maxEntries / 2;
    this.maxCharacters = maxCharacters / 2;
  }

  /** The value for the text; made now if it is not known. An error of `make` is not kept. */
  get(text: string, make: (text: string) => Value): Value {
    const known = this.young.get(text);
    if (known !== undefined) return known;
    const value = this.old.get(text) ?? make(text);
    // A text that leaves no room for others is made anew each time.
    if (text.length < this.maxCharacters) this.keep(text, value);
    return value;
  }

  private keep(text: string, value: Value): void {
    this.young.set(text, value);
    this.youngCharacters += text.length;
    if (this.young.size < this.maxEntries && this.youngCharacters < this.maxCharacters) return;
    this.old = this.young;
    this.young = new Map();
    this.youngCharacters = 0;
  }
}
