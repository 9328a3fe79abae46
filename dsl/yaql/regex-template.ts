import { YaqlError } from './errors.ts';
import { checkGroupName, regexError } from './regex-parser.ts';
import type { RegexTree } from './regex-tree.ts';

interface Groups {
  readonly groups: readonly { readonly value: string | null }[];
}

/**
 * Reads Python replacement text: `\1` to `\99`, `\g<1>`, `\g<name>`, `\0` and octal numbers, `\n` and its like. A group that took
 * no part in the match becomes empty text.
 *
 * @throws YaqlError of class `error` for an unknown escape or group, IndexError for an unknown name.
 */
export function parseTemplate(template: string, tree: RegexTree): (match: Groups) => string {
  if (!template.includes('\\')) return () => template;
  const parts = readParts(Array.from(template), tree);
  return (match) => parts.map((part) => (typeof part === 'string' ? part : (match.groups[part]?.value ?? ''))).join('');
}

function readParts(text: readonly string[], tree: RegexTree): (string | number)[] {
  const parts: (string | number)[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '\\') {
      parts.push(text[at] as string);
      at += 1;
      continue;
    }
    const rest = text.slice(at + 1).join('');
    const [part, length] = readEscape(rest, at, tree);
    parts.push(part);
    at += 1 + length;
  }
  return parts;
}

/** The meaning of the text behind a backslash, and how many characters belong to it. */
function readEscape(rest: string, at: number, tree: RegexTree): [string | number, number] {
  const first = Array.from(rest)[0];
  if (first === undefined) throw regexError('bad escape (end of pattern)', at);
  if (first === 'g') return readNamed(rest, at, tree);
  const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{2})/.exec(rest);
  if (octal) return [octalChar(octal[0], at), octal[0].length];
  const digits = /^\d{1,2}/.exec(rest);
  if (digits) return [checkGroup(Number(digits[0]), at + 1, tree), digits[0].length];
  const simple = SIMPLE[first];
  if (simple !== undefined) return [simple, 1];
  if (/[A-Za-z]/.test(first)) throw regexError(`bad escape \\${first}`, at);
  return [`\\${first}`, 1];
}

function readNamed(rest: string, at: number, tree: RegexTree): [number, number] {
  const match = /^g<([^>]*)>/.exec(rest);
  if (!match) throw regexError(rest.startsWith('g<') ? 'missing >, unterminated name' : 'missing <', at + 2);
  const name = match[1] ?? '';
  if (name === '') throw regexError('missing group name', at + 3);
  if (/^\p{Nd}+$/u.test(name)) return [checkGroup(Number(name), at + 3, tree), match[0].length];
  checkGroupName(name, at + 3);
  const index = tree.names.get(name);
  if (index === undefined) throw new YaqlError('IndexError', `unknown group name '${name}'`);
  return [index, match[0].length];
}

function checkGroup(index: number, at: number, tree: RegexTree): number {
  if (index > tree.groups) throw regexError(`invalid group reference ${index}`, at);
  return index;
}

function octalChar(digits: string, at: number): string {
  const code = Number.parseInt(digits, 8);
  if (code > 0o377) throw regexError(`octal escape value \\${digits} outside of range 0-0o377`, at);
  return String.fromCodePoint(code);
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};
