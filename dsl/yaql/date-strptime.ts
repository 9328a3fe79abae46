import { MONTHS, WEEKDAYS } from './date-format.ts';
import { DateTime, daysInMonth, weekdayOf } from './date-time.ts';
import { asciiDigits } from './arithmetic.ts';
import { YaqlError, valueError } from './errors.ts';
import { TimeSpan } from './time-span.ts';

/**
 * Python's strptime (spec/expressions.md §14.1): the whole text must match; what the format does not name is 1900-01-01 00:00:00 UTC.
 *
 * @throws ValueError (YaqlError)
 */
export function parseWithFormat(text: string, format: string): DateTime {
  const { pattern, codes } = patternOf(format);
  const match = pattern.exec(text);
  if (!match) throw valueError(`time data '${text}' does not match format '${format}'`);
  if (match[0].length !== text.length) throw valueError(`unconverted data remains: ${text.slice(match[0].length)}`);
  const found = new Map<string, string>(codes.map((code, i) => [code, asciiDigits(match[i + 1] ?? '')]));
  return build(found);
}

const names = (list: readonly string[]) => [...list].sort((a, b) => b.length - a.length).join('|');
const short = (list: readonly string[]) => list.map((name) => name.slice(0, 3));
const D = '\\p{Nd}';
const CODES: Readonly<Record<string, string>> = {
  d: `3[0-1]|[1-2]${D}|0[1-9]|[1-9]| [1-9]`,
  f: '[0-9]{1,6}',
  H: `2[0-3]|[0-1]${D}|${D}`,
  I: '1[0-2]|0[1-9]|[1-9]',
  G: `${D}{4}`,
  j: `36[0-6]|3[0-5]${D}|[1-2]${D}${D}|0[1-9]${D}|00[1-9]|[1-9]${D}|0[1-9]|[1-9]`,
  m: '1[0-2]|0[1-9]|[1-9]',
  M: `[0-5]${D}|${D}`,
  S: `6[0-1]|[0-5]${D}|${D}`,
  U: `5[0-3]|[0-4]${D}|${D}`,
  W: `5[0-3]|[0-4]${D}|${D}`,
  w: '[0-6]',
  u: '[1-7]',
  V: `5[0-3]|0[1-9]|[1-4]${D}|${D}`,
  y: `${D}${D}`,
  Y: `${D}{4}`,
  z: `[+-]${D}${D}:?[0-5]${D}(?::?[0-5]${D}(?:\\.${D}{1,6})?)?|Z`,
  A: names(WEEKDAYS),
  a: names(short(WEEKDAYS)),
  B: names(MONTHS),
  b: names(short(MONTHS)),
  p: 'am|pm',
  Z: 'utc|gmt',
};
const WHOLE: Readonly<Record<string, string>> = { c: '%a %b %d %H:%M:%S %Y', x: '%m/%d/%y', X: '%H:%M:%S' };

function patternOf(format: string): { readonly pattern: RegExp; readonly codes: readonly string[] } {
  const codes: string[] = [];
  const expanded = format.replace(/%%|%([cxX])/g, (whole, code: string | undefined) =>
    code ? (WHOLE[code] ?? '') : whole,
  );
  const source = expanded.replace(/%([\s\S]?)|(\s+)|([\\^$.*+?()[\]{}|/-])/g, (_, code, blanks, special) => {
    if (blanks !== undefined) return '\\s+';
    if (special !== undefined) return `\\${special}`;
    if (code === '%') return '%';
    const pattern = CODES[code];
    if (pattern === undefined) {
      throw valueError(
        code === '' ? `stray % in format '${format}'` : `'${code}' is a bad directive in format '${format}'`,
      );
    }
    if (codes.includes(code)) throw new YaqlError('error', `redefinition of group name '${code}'`);
    codes.push(code);
    return `(${pattern})`;
  });
  return { pattern: new RegExp(`^${source.replaceAll('\\-', '-').replaceAll('\\/', '/')}`, 'iu'), codes };
}

function build(found: ReadonlyMap<string, string>): DateTime {
  const number = (code: string, fallback: number) => (found.has(code) ? Number(found.get(code)) : fallback);
  const { year, month, day } = dateOf(found, number);
  const fields = {
    year,
    month,
    day,
    hour: found.has('I') ? (number('I', 0) % 12) + (found.get('p')?.toLowerCase() === 'pm' ? 12 : 0) : number('H', 0),
    minute: number('M', 0),
    second: number('S', 0),
    microsecond: Number((found.get('f') ?? '').padEnd(6, '0')),
  };
  return DateTime.of(fields, offsetOf(found.get('z')));
}

interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

function dateOf(found: ReadonlyMap<string, string>, number: (code: string, fallback: number) => number): Day {
  const year = yearOf(found, number);
  const weekday = weekdayIn(found);
  if (found.has('G') || found.has('V')) {
    if (!found.has('G') || !found.has('V') || weekday === null || found.has('Y')) {
      throw valueError("ISO year directive '%G' and ISO week directive '%V' must be used together and with a weekday");
    }
    const isoYear = number('G', 1900);
    const january4 = weekdayOf(isoYear, 1, 4);
    return ofYearDay(isoYear, number('V', 1) * 7 + weekday + 1 - (january4 + 4));
  }
  if (found.has('j') && !(found.has('m') && found.has('d'))) return ofYearDay(year ?? 1900, number('j', 1));
  const [week, startsMonday] = found.has('W') ? ['W', true] : ['U', false];
  if (year !== null && found.has(week) && weekday !== null && !found.has('d')) {
    return ofWeek(year, number(week, 0), weekday, startsMonday);
  }
  const month = monthIn(found) ?? number('m', 1);
  const day = number('d', 1);
  // 29 February without a year means a leap year for the calendar check; 1900 is none.
  return { year: year ?? 1900, month, day };
}

function yearOf(found: ReadonlyMap<string, string>, number: (code: string, fallback: number) => number): number | null {
  if (found.has('Y')) return number('Y', 1900);
  if (!found.has('y')) return null;
  const year = number('y', 0);
  return year + (year <= 68 ? 2000 : 1900);
}

function monthIn(found: ReadonlyMap<string, string>): number | null {
  const name = (found.get('B') ?? found.get('b'))?.slice(0, 3).toLowerCase();
  return name === undefined ? null : MONTHS.findIndex((month) => month.slice(0, 3).toLowerCase() === name) + 1;
}

function weekdayIn(found: ReadonlyMap<string, string>): number | null {
  const name = (found.get('A') ?? found.get('a'))?.slice(0, 3).toLowerCase();
  if (name !== undefined) return WEEKDAYS.findIndex((day) => day.slice(0, 3).toLowerCase() === name);
  if (found.has('w')) return (Number(found.get('w')) + 6) % 7;
  return found.has('u') ? Number(found.get('u')) - 1 : null;
}

function ofYearDay(year: number, dayOfYear: number): Day {
  if (dayOfYear < 1) return ofYearDay(year - 1, dayOfYear + 337 + daysInMonth(year - 1, 2));
  let month = 1;
  let day = dayOfYear;
  while (month <= 12 && day > daysInMonth(year, month)) {
    day -= daysInMonth(year, month);
    month += 1;
  }
  return month <= 12 ? { year, month, day } : ofYearDay(year + 1, day);
}

function ofWeek(year: number, week: number, weekday: number, startsMonday: boolean): Day {
  const first = startsMonday ? weekdayOf(year, 1, 1) : (weekdayOf(year, 1, 1) + 1) % 7;
  const wanted = startsMonday ? weekday : (weekday + 1) % 7;
  const daysInWeek0 = (7 - first) % 7;
  const dayOfYear = week === 0 ? 1 + wanted - first : 1 + daysInWeek0 + 7 * (week - 1) + wanted;
  return ofYearDay(year, dayOfYear);
}

function offsetOf(text: string | undefined): TimeSpan {
  if (text === undefined || text === '' || text.toUpperCase() === 'Z') return TimeSpan.ZERO;
  const digits = text.slice(1).replaceAll(':', '');
  const [whole = '', fraction = ''] = digits.split('.');
  const seconds = Number(whole.slice(0, 2)) * 3600 + Number(whole.slice(2, 4)) * 60 + Number(whole.slice(4, 6) || 0);
  const total = BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0') || 0);
  return new TimeSpan(text.startsWith('-') ? -total : total);
}
