/** Keeps what was made for the texts used last, up to a number of entries and of characters. */
export class TextCache<Value> {
  private readonly entries = new Map<string, Value>();
  private characters = 0;
  private readonly maxEntries: number;
  private readonly maxCharacters: number;

  constructor(maxEntries: number, maxCharacters: number) {
    this.maxEntries = maxEntries;
    this.maxCharacters = maxCharacters;
  }

  /** The value for the text; made now if it is not known. An error of `make` is not kept. */
  get(text: string, make: (text: string) => Value): Value {
    const known = this.entries.get(text);
    if (known !== undefined) {
      // A map keeps the order of insertion: the first entry is the one used longest ago.
      this.entries.delete(text);
      this.entries.set(text, known);
      return known;
    }
    const value = make(text);
    this.entries.set(text, value);
    this.characters += text.length;
    this.shrink();
    return value;
  }

  private shrink(): void {
    for (const oldest of this.entries.keys()) {
      if (this.entries.size <= this.maxEntries && this.characters <= this.maxCharacters) return;
      this.entries.delete(oldest);
      this.characters -= oldest.length;
    }
  }
}
