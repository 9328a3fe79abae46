import { getItem } from './access.ts';
import { Undefined } from './objects.ts';
import { textOf } from './python.ts';

/** What filters call an attribute: a name, a path (`a.b.0`), an index, or null for the item itself. */
export function attributeGetter(attribute: unknown, fallback: unknown = null): (item: unknown) => unknown {
  const parts = pathParts(attribute);
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = getItem(value, part);
      if (fallback !== null && value instanceof Undefined) value = fallback;
    }
    return value;
  };
}

/** Several paths with commas between them; the values of all as a list, for sorting. */
export function attributesGetter(attributes: unknown): (item: unknown) => unknown[] {
  const text = textOf(attributes);
  const getters = (text === null ? [attributes] : text.split(',')).map((attribute) => attributeGetter(attribute));
  return (item) => getters.map((get) => get(item));
}

/** Text in lower case, so that sorting and comparing ignore case; other values as they are. */
export function ignoringCase(value: unknown): unknown {
  return textOf(value)?.toLowerCase() ?? value;
}

function pathParts(attribute: unknown): readonly unknown[] {
  if (attribute === null) return [];
  const text = textOf(attribute);
  if (text === null) return [attribute];
  return text.split('.').map((part) => (/^\p{Nd}+$/u.test(part) ? Number(part) : part));
}
