import { characters, escapeHtml, WHITE_SPACE } from '../text.ts';

export interface UrlizeOptions {
  /** Characters of a link's text to show; null for all. */
  readonly limit: number | null;
  readonly rel: string;
  readonly target: string | null;
  readonly extraSchemes: readonly string[];
}

/** The HTML text (already escaped) with links made of its URLs and mail addresses. */
export function urlize(html: string, options: UrlizeOptions): string {
  return html
    .split(new RegExp(`([${WHITE_SPACE}]+)`))
    .map((word) => linkedWord(word, options))
    .join('');
}

const WORD = '[\\p{L}\\p{N}_%-]';
const HOST = `(?:(?:https?:\\/\\/|www\\.)(?:(?:${WORD}+\\.)+)?(?:[a-z]{2,63}|xn--[\\p{L}\\p{N}_%]{2,59})|(?:${WORD}{2,63}\\.)+(?:com|net|int|edu|gov|org|info|mil)|https?:\\/\\/(?:\\d{1,3}(?:\\.\\d{1,3}){3}|\\[(?:[\\da-f]{0,4}:){2}(?:[\\da-f]{0,4}:?){1,6}\\]))`;
const URL_WORD = new RegExp(`^${HOST}(?::\\d{1,5})?(?:[\\/?#]\\S*)?$`, 'iu');
const MAIL = /^\S+@[\p{L}\p{N}_][\p{L}\p{N}_.-]*\.[\p{L}\p{N}_]+$/u;
const BRACKETS: readonly (readonly [string, string])[] = [
  ['(', ')'],
  ['<', '>'],
  ['&lt;', '&gt;'],
];

function linkedWord(word: string, options: UrlizeOptions): string {
  const head = /^(?:[(<]|&lt;)+/.exec(word)?.[0] ?? '';
  const rest = word.slice(head.length);
  const ending = /(?:[)>.,\n]|&gt;)+$/.exec(rest)?.[0] ?? '';
  const { middle, tail } = balanced(rest.slice(0, rest.length - ending.length), ending);
  return head + link(middle, options) + tail;
}

/** Gives a link back the closing brackets that it opens itself. */
function balanced(start: string, ending: string): { middle: string; tail: string } {
  let middle = start;
  let tail = ending;
  for (const [open, close] of BRACKETS) {
    const opened = occurrences(middle, open);
    if (opened <= occurrences(middle, close)) continue;
    for (let i = Math.min(opened, occurrences(tail, close)); i > 0; i--) {
      const end = tail.indexOf(close) + close.length;
      middle += tail.slice(0, end);
      tail = tail.slice(end);
    }
  }
  return { middle, tail };
}

function link(text: string, options: UrlizeOptions): string {
  const attributes =
    (options.rel === '' ? '' : ` rel="${escapeHtml(options.rel)}"`) +
    (options.target === null || options.target === '' ? '' : ` target="${escapeHtml(options.target)}"`);
  if (URL_WORD.test(text)) {
    const address = /^https?:\/\//.test(text) ? text : `https://${text}`;
    return `<a href="${address}"${attributes}>${shortened(text, options.limit)}</a>`;
  }
  if (text.startsWith('mailto:') && MAIL.test(text.slice(7))) return `<a href="${text}">${text.slice(7)}</a>`;
  if (!/^(?:www\.|@)/.test(text) && !text.includes(':') && MAIL.test(text)) {
    return `<a href="mailto:${text}">${text}</a>`;
  }
  const hasScheme = options.extraSchemes.some((scheme) => text !== scheme && text.startsWith(scheme));
  return hasScheme ? `<a href="${text}"${attributes}>${text}</a>` : text;
}

function shortened(text: string, limit: number | null): string {
  const units = characters(text);
  return limit === null || units.length <= limit ? text : `${units.slice(0, limit).join('')}...`;
}

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}
