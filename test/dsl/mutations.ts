import { isJsonObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';

/** Numbers from 0 up, as many as are asked for. */
export type Chance = Iterator<number>;

/** A document with one to three changes somewhere inside: values replaced, keys renamed, dropped, doubled or moved. */
export function changedTrees(document: JsonObject, chance: Chance): JsonObject {
  let changed = document;
  for (let times = 1 + (draw(chance) % 3); times > 0; times--) {
    const next = change(changed, chance);
    if (isJsonObject(next)) changed = next;
  }
  return changed;
}

/** A text with one to three changes: characters and lines dropped, doubled, swapped, or put in. */
export function changedText(text: string, chance: Chance): string {
  let changed = text;
  for (let times = 1 + (draw(chance) % 3); times > 0; times--) changed = changeText(changed, chance);
  return changed;
}

function changeText(text: string, chance: Chance): string {
  const at = draw(chance) % (text.length + 1);
  const other = draw(chance) % (text.length + 1);
  const lines = text.split('\n');
  const line = draw(chance) % lines.length;
  switch (draw(chance) % 7) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + pick(SIGNS, chance) + text.slice(at);
    case 2:
      return text.slice(0, Math.min(at, other)) + text.slice(Math.max(at, other));
    case 3:
      return lines.toSpliced(line, 1).join('\n');
    case 4:
      return lines.toSpliced(line, 0, lines[draw(chance) % lines.length] ?? '').join('\n');
    case 5:
      return lines.with(line, `${' '.repeat(draw(chance) % 5)}${lines[line] ?? ''}`).join('\n');
    default:
      return text.slice(0, at) + text.slice(other, other + (draw(chance) % 200)) + text.slice(at);
  }
}

function change(value: Json, chance: Chance): Json {
  const isInside = draw(chance) % 8 !== 0;
  if (isJsonObject(value) && Object.keys(value).length > 0 && isInside) {
    const keys = Object.keys(value);
    const chosen = keys[draw(chance) % keys.length] ?? '';
    const what = draw(chance) % 10;
    const changed: Record<string, Json> = {};
    for (const key of keys) {
      const item = value[key] ?? null;
      if (key !== chosen || what > 3) setKey(changed, key, key === chosen ? change(item, chance) : item);
      else if (what === 1) setKey(changed, pick(KEYS, chance), item);
      else if (what === 2) setKey(changed, `${key}x`, item);
      else if (what === 3) setKey(changed, key, pick(VALUES, chance));
    }
    return changed;
  }
  if (Array.isArray(value) && value.length > 0 && isInside) {
    const items = value as readonly Json[];
    const at = draw(chance) % items.length;
    const item = items[at] ?? null;
    if (draw(chance) % 4 === 0) return items.toSpliced(at, 0, item);
    return items.with(at, change(item, chance));
  }
  return pick(VALUES, chance);
}

function pick<T>(from: readonly T[], chance: Chance): T {
  return from[draw(chance) % from.length] as T;
}

function draw(chance: Chance): number {
  return Math.abs(Number(chance.next().value));
}

const KEYS = [
  'action',
  'workflow',
  'input',
  'publish',
  'on-success',
  'on-error',
  'next',
  'join',
  'retry',
  'with-items',
  'requires',
  'tasks',
  'base',
  'version',
  'timeout',
  'branch',
  'type',
  'name',
  '__proto__',
  'constructor',
  'task-defaults',
  'keep-result',
  'tags',
  'vars',
];
const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  12345678901234567890n,
  '',
  'a',
  '5',
  'all',
  'one',
  'reverse',
  'fail',
  'noop',
  '<% $.x %>',
  '{{ _.x }}',
  '<% $. %>',
  '{% if %}',
  'i in <% $.x %>',
  'i in [1]',
  'count=1 delay=2',
  'std.echo output=1',
  'fail(msg=1)',
  [],
  ['a'],
  ['a', 'a'],
  {},
  { a: 1 },
  { publish: { branch: { x: 1 } } },
  { count: 1, delay: 1 },
  { a: '<% true %>' },
  ['a', { b: '<% true %>' }],
];
const SIGNS = [
  ':',
  ' ',
  '\n',
  '-',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '#',
  '&',
  '*',
  '!',
  '%',
  '@',
  '`',
  '<%',
  '%>',
  '{{',
  '}}',
  '\t',
  '|',
  '>',
  '?',
  ',',
  '\u0000',
  '\ufeff',
  '\ud800',
  '0',
  '\r',
  '\u2028',
  '😀',
  '---',
  '...',
  '<<: ',
  'a'.repeat(300),
  '['.repeat(150),
];
