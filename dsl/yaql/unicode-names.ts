import { ALIASES, NAMES, WORDS } from './unicode-names-data.ts';

/** The character with this Unicode name or control alias, in any case; null when there is none. */
export function characterByName(name: string): string | null {
  const wanted = name.toUpperCase();
  const code = ideograph(wanted) ?? hangul(wanted) ?? table().get(wanted);
  return code === undefined ? null : String.fromCodePoint(code);
}

let cached: Map<string, number> | undefined;

/** Read on first use: few expressions name characters. */
function table(): Map<string, number> {
  cached ??= readTable();
  return cached;
}

/** The format is described in tools/generate-unicode-names.py. */
function readTable(): Map<string, number> {
  const words = WORDS.split(' ');
  const names = new Map<string, number>();
  let at = 0;
  let code = 0;
  let previous: string[] = [];
  const take = () => NAMES.charCodeAt(at++) - 33;
  const takeNumber = () => {
    const first = take();
    if (first < 80) return first;
    if (first < 89) return 80 + (first - 80) * 94 + take();
    const middle = take();
    return 80 + (9 + (first - 89) * 94 + middle) * 94 + take();
  };
  while (at < NAMES.length) {
    if (NAMES[at] === '~') {
      at += 1;
      code += takeNumber();
    }
    const shared = take();
    const parts = previous.slice(0, shared);
    for (let rest = take(); rest > 0; rest -= 1) parts.push(words[takeNumber()] ?? '');
    names.set(parts.join(' '), code);
    previous = parts;
    code += 1;
  }
  for (const alias of ALIASES.split(';')) {
    const [name = '', hex = ''] = alias.split('=');
    names.set(name, Number.parseInt(hex, 16));
  }
  return names;
}

/** Blocks whose names are a prefix and the code point; the ranges of the Unicode version that the table was made from. */
const IDEOGRAPHS: readonly [string, readonly (readonly [number, number])[]][] = [
  [
    'CJK UNIFIED IDEOGRAPH-',
    [
      [0x3400, 0x4dbf],
      [0x4e00, 0x9fff],
      [0x20000, 0x2a6df],
      [0x2a700, 0x2ebe0],
      [0x30000, 0x3134a],
    ],
  ],
  [
    'CJK COMPATIBILITY IDEOGRAPH-',
    [
      [0xf900, 0xfad9],
      [0x2f800, 0x2fa1d],
    ],
  ],
  [
    'TANGUT IDEOGRAPH-',
    [
      [0x17000, 0x187f7],
      [0x18d00, 0x18d08],
    ],
  ],
  ['NUSHU CHARACTER-', [[0x1b170, 0x1b2fb]]],
  ['KHITAN SMALL SCRIPT CHARACTER-', [[0x18b00, 0x18cd5]]],
];

function ideograph(name: string): number | undefined {
  for (const [prefix, ranges] of IDEOGRAPHS) {
    if (!name.startsWith(prefix)) continue;
    const hex = name.slice(prefix.length);
    if (!/^[0-9A-F]{4,5}$/.test(hex)) return undefined;
    const code = Number.parseInt(hex, 16);
    return ranges.some(([low, high]) => code >= low && code <= high) ? code : undefined;
  }
  return undefined;
}

const LEADS = ['G', 'GG', 'N', 'D', 'DD', 'R', 'M', 'B', 'BB', 'S', 'SS', '', 'J', 'JJ', 'C', 'K', 'T', 'P', 'H'];
const VOWELS = 'A AE YA YAE EO E YEO YE O WA WAE OE YO U WEO WE WI YU EU YI I'.split(' ');
const TAILS = ' G GG GS N NJ NH D L LG LM LB LS LT LP LH M B BS S SS NG J C K T P H'.split(' ');

function hangul(name: string): number | undefined {
  const match = /^HANGUL SYLLABLE ([^AEIOUWY]*)([AEIOUWY]+)(.*)$/.exec(name);
  if (!match) return undefined;
  const [lead, vowel, tail] = [
    LEADS.indexOf(match[1] ?? ''),
    VOWELS.indexOf(match[2] ?? ''),
    TAILS.indexOf(match[3] ?? ''),
  ];
  return lead < 0 || vowel < 0 || tail < 0 ? undefined : 0xac00 + (lead * 21 + vowel) * 28 + tail;
}
