import { characterByName } from '../../yaql/unicode-names.ts';
import { syntaxError } from './errors.ts';

/**
 * The text of a string literal: Python's `unicode-escape`. Unknown escapes keep their backslash, a backslash before a line break
 * takes it away.
 *
 * @param offset of the literal, for messages.
 */
export function decodeStringLiteral(body: string, offset: number): string {
  if (!body.includes('\\')) return body;
  return body.replace(ESCAPE, (whole, octal?: string, hex?: string, simple?: string) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    if (hex !== undefined) return decodeHex(hex, offset);
    if (whole.startsWith('\\N')) return decodeNamed(whole, offset);
    return decodeSimple(simple ?? '', whole);
  });
}

const ESCAPE = /\\(?:([0-7]{1,3})|(x[0-9a-fA-F]{0,2}|u[0-9a-fA-F]{0,4}|U[0-9a-fA-F]{0,8})|N(?:\{[^}]*\}?)?|(\n|[^]))/gu;

const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

const SIMPLE: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function decodeHex(text: string, offset: number): string {
  const kind = text.charAt(0);
  const digits = text.slice(1);
  const wanted = HEX_DIGITS[kind] ?? 0;
  if (digits.length < wanted) throw syntaxError(`truncated \\${kind}${'X'.repeat(wanted)} escape`, offset);
  const codePoint = Number.parseInt(digits, 16);
  if (codePoint > 0x10ffff) throw syntaxError('illegal Unicode character', offset);
  return String.fromCodePoint(codePoint);
}

function decodeNamed(escape: string, offset: number): string {
  const name = /^\\N\{([^}]+)\}$/.exec(escape)?.[1];
  if (name === undefined) throw syntaxError('malformed \\N character escape', offset);
  const character = characterByName(name);
  if (character === null) throw syntaxError('unknown Unicode character name', offset);
  return character;
}

/** The reference turns text into ASCII first, so a backslash eats the one that would have spelled a non-ASCII character. */
function decodeSimple(character: string, whole: string): string {
  const known = SIMPLE[character];
  if (known !== undefined) return known;
  const codePoint = character.codePointAt(0) ?? 0;
  if (codePoint < 0x80) return whole;
  const hex = codePoint.toString(16);
  if (codePoint <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return codePoint <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
