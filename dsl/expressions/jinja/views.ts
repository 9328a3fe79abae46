import { type Dict, dictEntries, dictKeys, dictSize, dictValues } from '../../yaql/dicts.ts';
import { PyTuple } from '../../yaql/values.ts';
import { JinjaObject } from './objects.ts';

/** `dict.keys()`, `dict.values()`, `dict.items()`: live, can be iterated again. */
export class DictView extends JinjaObject {
  readonly typeName: string;
  private readonly dict: Dict;
  private readonly part: 'keys' | 'values' | 'items';

  constructor(dict: Dict, part: 'keys' | 'values' | 'items') {
    super();
    this.dict = dict;
    this.part = part;
    this.typeName = `dict_${part}`;
  }

  get length(): number {
    return dictSize(this.dict);
  }

  override isTruthy(): boolean {
    return this.length > 0;
  }

  [Symbol.iterator](): Iterator<unknown> {
    if (this.part === 'keys') return dictKeys(this.dict)[Symbol.iterator]();
    if (this.part === 'values') return dictValues(this.dict)[Symbol.iterator]();
    return pairs(this.dict);
  }

  override repr(of: (value: unknown) => string): string {
    return `${this.typeName}(${of([...this])})`;
  }
}

function* pairs(dict: Dict): Generator<unknown> {
  for (const entry of dictEntries(dict)) yield PyTuple.wrap(entry);
}
