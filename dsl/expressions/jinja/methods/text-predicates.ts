import { characters, WHITE_SPACE } from '../text.ts';

/** `str.is…`: true for texts that are not empty and hold nothing else. */
export const textPredicates: readonly (readonly [name: string, test: (text: string) => boolean])[] = [
  ['isalnum', matches('[\\p{L}\\p{Nd}\\p{Nl}\\p{No}]')],
  ['isalpha', matches('\\p{L}')],
  ['isdecimal', matches('\\p{Nd}')],
  ['isdigit', matches('[\\p{Nd}\\u00b2\\u00b3\\u00b9\\u2070\\u2074-\\u2079\\u2080-\\u2089]')],
  ['isnumeric', matches('\\p{N}')],
  ['isspace', matches(`[${WHITE_SPACE}]`)],
  ['isascii', (text) => /^[\x00-\x7f]*$/.test(text)],
  ['isidentifier', (text) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(text)],
  ['isprintable', (text) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(text)],
  ['islower', isLower],
  ['isupper', isUpper],
  ['istitle', isTitle],
];

export function isLower(text: string): boolean {
  return isCased(text) && !/[\p{Lu}\p{Lt}]/u.test(text);
}

export function isUpper(text: string): boolean {
  return isCased(text) && !/[\p{Ll}\p{Lt}]/u.test(text);
}

function isCased(text: string): boolean {
  return /\p{Cased}/u.test(text);
}

/** Upper case only at the start of words, lower case only inside. */
function isTitle(text: string): boolean {
  let insideWord = false;
  for (const c of characters(text)) {
    if (/[\p{Lu}\p{Lt}]/u.test(c)) {
      if (insideWord) return false;
      insideWord = true;
    } else if (/\p{Ll}/u.test(c)) {
      if (!insideWord) return false;
    } else {
      insideWord = false;
    }
  }
  return isCased(text);
}

function matches(characterClass: string): (text: string) => boolean {
  const pattern = new RegExp(`^${characterClass}+$`, 'u');
  return (text) => pattern.test(text);
}
