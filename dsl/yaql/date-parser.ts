import { asciiDigits } from './arithmetic.ts';
import { MONTHS, WEEKDAYS } from './date-format.ts';
import { DateTime, daysInMonth, weekdayOf, type DateTimeFields } from './date-time.ts';
import { YaqlError } from './errors.ts';
import { TimeSpan } from './time-span.ts';

/**
 * Reads a date in the many ways people write them, guessing like Python's dateutil (spec/expressions.md §14.1): ISO 8601, American
 * and European orders, month names, 12-hour clocks. What the text does not say comes from `today` (midnight); no zone means UTC.
 *
 * @throws YaqlError of class ParserError.
 */
export function parseDate(text: string, today: DateTime): DateTime {
  const guess = new Guess(tokensOf(asciiDigits(text)), today.fields().year).read();
  if (guess === null) throw new YaqlError('ParserError', `Unknown string format: ${text}`);
  if (guess.isEmpty) throw new YaqlError('ParserError', `String does not contain a date: ${text}`);
  // An impossible offset is a ValueError, as in the reference, an impossible date a ParserError.
  const offset = new DateTime(0n, guess.offset).offset;
  try {
    return guess.build(today, offset);
  } catch (error) {
    if (!(error instanceof YaqlError)) throw error;
    throw new YaqlError(
      error.className === 'OverflowError' ? 'OverflowError' : 'ParserError',
      `${error.message}: ${text}`,
    );
  }
}

const JUMPS = new Set([
  ' ',
  '.',
  ',',
  ';',
  '-',
  '/',
  "'",
  'at',
  'on',
  'and',
  'ad',
  'm',
  't',
  'of',
  'st',
  'nd',
  'rd',
  'th',
]);
const CLOCK_WORDS: ReadonlyMap<string, number> = new Map([
  ...['h', 'hour', 'hours'].map((word) => [word, 0] as const),
  ...['m', 'minute', 'minutes'].map((word) => [word, 1] as const),
  ...['s', 'second', 'seconds'].map((word) => [word, 2] as const),
]);
const HALF_DAYS: ReadonlyMap<string, 'am' | 'pm'> = new Map([
  ['am', 'am'],
  ['a', 'am'],
  ['pm', 'pm'],
  ['p', 'pm'],
]);
const ZERO_ZONES = new Set(['utc', 'gmt', 'z']);

/** Runs of letters, runs of digits (with a decimal point), single other characters. */
function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (const [run] of text.replaceAll('\0', '').matchAll(/[\p{L}\p{Nd}][\p{L}\p{Nd}.]*|\s|[\s\S]/gu)) {
    if (/^\s$/u.test(run)) tokens.push(' ');
    else if (/^[\p{L}\p{Nd}]/u.test(run)) tokens.push(...splitRun(run));
    else tokens.push(run);
  }
  return tokens.flatMap((token, i, all) => (isDecimalComma(all, i) ? [] : joinDecimalComma(all, i)));
}

/** Letters and digits part; dots are a decimal point only when there is one between digits. */
function splitRun(run: string): string[] {
  const parts = run.match(/\p{L}[\p{L}.]*|\p{Nd}[\p{Nd}.]*|[.]/gu) ?? [];
  const joined: string[] = [];
  for (const part of parts) {
    const isNumber = /^\p{Nd}+\.\p{Nd}+$/u.test(part);
    if (isNumber || !part.includes('.')) joined.push(part);
    else joined.push(...part.split(/(\.)/).filter((piece) => piece !== ''));
  }
  return joined;
}

/** `12:30:15,5`: a comma behind at least two digits and before others is a decimal point. */
function joinDecimalComma(tokens: readonly string[], i: number): string[] {
  const [token = '', comma, next] = tokens.slice(i, i + 3);
  return /^\d{2,}$/.test(token) && comma === ',' && /^\d+$/.test(next ?? '') ? [`${token}.${next}`] : [token];
}

function isDecimalComma(tokens: readonly string[], i: number): boolean {
  const at = tokens[i] === ',' ? i : tokens[i - 1] === ',' ? i - 1 : -1;
  return at > 0 && /^\d{2,}$/.test(tokens[at - 1] ?? '') && /^\d+$/.test(tokens[at + 1] ?? '') && i !== at - 1;
}

type Part = 'year' | 'month' | 'day';

class Guess {
  readonly #tokens: readonly string[];
  readonly #thisYear: number;
  /** Numbers of the date in the order of the text, with what is known about them. */
  readonly #numbers: number[] = [];
  readonly #known = new Map<Part, number>();
  #centuryGiven = false;
  #weekday: number | null = null;
  #hour: number | null = null;
  #minute: number | null = null;
  #second: number | null = null;
  #microsecond: number | null = null;
  #halfDay: 'am' | 'pm' | null = null;
  #zone: string | null = null;
  #offset: number | null = null;
  #date: Partial<Record<Part, number>> = {};
  #at = 0;

  constructor(tokens: readonly string[], thisYear: number) {
    this.#tokens = tokens;
    this.#thisYear = thisYear;
  }

  /** Null when the text makes no sense. */
  read(): this | null {
    for (this.#at = 0; this.#at < this.#tokens.length; this.#at += 1) if (!this.#readToken()) return null;
    const date = this.#resolve();
    if (!date) return null;
    this.#date = date;
    if (date.year !== undefined) this.#date = { ...date, year: this.#fullYear(date.year) };
    return this;
  }

  get isEmpty(): boolean {
    const parts = [
      this.#weekday,
      this.#hour,
      this.#minute,
      this.#second,
      this.#microsecond,
      this.#zone,
      this.#offset,
      this.#halfDay,
    ];
    return this.#numbers.length === 0 && parts.every((part) => part === null);
  }

  get offset(): TimeSpan {
    return new TimeSpan(BigInt(this.#offset ?? 0) * 1_000_000n);
  }

  build(today: DateTime, offset: TimeSpan): DateTime {
    const now = today.fields();
    const year = this.#date.year ?? now.year;
    const month = this.#date.month ?? now.month;
    const lastDay = month >= 1 && month <= 12 ? daysInMonth(year, month) : 31;
    const fields: DateTimeFields = {
      year,
      month,
      day: this.#date.day ?? Math.min(now.day, lastDay),
      hour: this.#hour ?? 0,
      minute: this.#minute ?? 0,
      second: this.#second ?? 0,
      microsecond: this.#microsecond ?? 0,
    };
    const date = DateTime.of(fields, offset);
    if (this.#weekday === null || this.#date.day) return date;
    const days = (this.#weekday - weekdayOf(year, month, fields.day) + 7) % 7;
    return date.plus(new TimeSpan(BigInt(days) * 86_400_000_000n));
  }

  #token(ahead = 0): string {
    return this.#tokens[this.#at + ahead] ?? '';
  }

  #has(ahead: number): boolean {
    return this.#at + ahead >= 0 && this.#at + ahead < this.#tokens.length;
  }

  #readToken(): boolean {
    const token = this.#token();
    if (/^\d+(\.\d+)?$/.test(token)) return this.#readNumber(token);
    if (/^\d/u.test(token) || /^(nan|inf|infinity)$/i.test(token)) return false;
    const weekday = weekdayNamed(token);
    if (weekday >= 0) {
      this.#weekday = weekday;
      return true;
    }
    if (monthNamed(token) > 0) return this.#readMonth(monthNamed(token));
    const halfDay = HALF_DAYS.get(token.toLowerCase());
    if (halfDay) return this.#readHalfDay(halfDay);
    if (this.#couldBeZone(token, this.#offset)) return this.#readZone(token);
    if (this.#hour !== null && (token === '+' || token === '-')) return this.#readOffset(token === '+' ? 1 : -1);
    return JUMPS.has(token.toLowerCase());
  }

  #readMonth(month: number): boolean {
    if (!this.#addKnown(month, 'month')) return false;
    const separator = this.#token(1);
    if (separator === '-' || separator === '/') {
      if (!this.#addText(this.#token(2))) return false;
      if (this.#token(3) === separator && this.#has(3)) {
        if (!this.#addText(this.#token(4))) return false;
        this.#at += 2;
      }
      this.#at += 2;
    } else if (separator === ' ' && this.#token(2).toLowerCase() === 'of' && this.#token(3) === ' ' && this.#has(4)) {
      // "Jan of 01": the number is a year
      if (/^\d+$/.test(this.#token(4)) && !this.#addKnown(this.#fullYear(Number(this.#token(4))), 'year')) return false;
      this.#at += 4;
    }
    return true;
  }

  #readHalfDay(half: 'am' | 'pm'): boolean {
    if (this.#hour === null || this.#hour > 12) return false;
    this.#hour = onClock(this.#hour, half);
    this.#halfDay = half;
    return true;
  }

  #couldBeZone(token: string, offset: number | null): boolean {
    if (this.#hour === null || this.#zone !== null || offset !== null) return false;
    return (token.length <= 5 && /^[A-Z]+$/.test(token)) || token === 'z';
  }

  #readZone(token: string): boolean {
    this.#zone = token;
    // Zones that are not known are read over; in "UTC+3" the sign is that of POSIX: what to add to get UTC.
    this.#offset = ZERO_ZONES.has(token.toLowerCase()) ? 0 : null;
    if (this.#token(1) !== '+' && this.#token(1) !== '-') return true;
    this.#offset = null;
    if (ZERO_ZONES.has(token.toLowerCase())) this.#zone = null;
    this.#at += 1;
    return this.#readOffset(this.#token() === '+' ? -1 : 1);
  }

  #readOffset(sign: 1 | -1): boolean {
    const digits = this.#token(1);
    if (!/^\d+$/.test(digits)) return false;
    let minutes = 0;
    if (digits.length === 4) minutes = Number(digits.slice(2));
    else if (this.#token(2) === ':') {
      if (!/^\d+$/.test(this.#token(3))) return false;
      minutes = Number(this.#token(3));
    } else if (digits.length > 2) return false;
    const colon = digits.length !== 4 && this.#token(2) === ':';
    const hours = Number(digits.length === 4 ? digits.slice(0, 2) : digits);
    this.#offset = sign * (hours * 3600 + minutes * 60);
    this.#at += colon ? 2 : 0;
    // "-0300 (BRST)"
    const named = JUMPS.has(this.#token(2).toLowerCase()) && this.#token(3) === '(' && this.#token(5) === ')';
    if (named && this.#token(4).length >= 3 && this.#couldBeZone(this.#token(4), null)) {
      this.#zone = this.#token(4);
      this.#at += 4;
    }
    this.#at += 1;
    return true;
  }

  #readNumber(token: string): boolean {
    const value = Number(token);
    const length = token.length;
    const next = this.#token(1);
    if (
      this.#numbers.length === 3 &&
      (length === 2 || length === 4) &&
      this.#hour === null &&
      this.#isClockAfterDate(next)
    ) {
      this.#hour = Number(token.slice(0, 2));
      if (length === 4) this.#minute = Number(token.slice(2));
      return /^\d+$/.test(token);
    }
    if (length === 6 || (length > 6 && token.indexOf('.') === 6)) return this.#readSix(token);
    if (length === 8 || length === 12 || length === 14) return this.#readCompact(token);
    const wordAt = this.#clockWordAt();
    if (wordAt !== null) return this.#readWithWord(token, wordAt);
    if (this.#has(2) && next === ':') return this.#readClock(value);
    if (this.#has(1) && (next === '-' || next === '/' || next === '.')) return this.#readSeparated(token, next);
    if (!this.#has(1) || JUMPS.has(next.toLowerCase())) return this.#readLoose(value);
    const half = HALF_DAYS.get(next.toLowerCase());
    if (half && value < 24) {
      this.#hour = onClock(Math.trunc(value), half);
      this.#at += 1;
      return true;
    }
    return this.#couldBeDay(value) && this.#add(value);
  }

  #isClockAfterDate(next: string): boolean {
    return !this.#has(1) || (next !== ':' && !CLOCK_WORDS.has(next.toLowerCase()));
  }

  #readSix(token: string): boolean {
    const [a, b, c] = [token.slice(0, 2), token.slice(2, 4), token.slice(4)];
    if (this.#numbers.length === 0 && !token.includes('.'))
      return this.#addText(a) && this.#addText(b) && this.#addText(c);
    [this.#hour, this.#minute] = [Number(a), Number(b)];
    this.#setSeconds(c);
    return /^\d{4}/.test(token);
  }

  #readCompact(token: string): boolean {
    if (!/^\d+$/.test(token)) return false;
    this.#centuryGiven = true;
    if (
      !this.#addKnown(Number(token.slice(0, 4)), 'year') ||
      !this.#addText(token.slice(4, 6)) ||
      !this.#addText(token.slice(6, 8))
    ) {
      return false;
    }
    if (token.length > 8) [this.#hour, this.#minute] = [Number(token.slice(8, 10)), Number(token.slice(10, 12))];
    if (token.length > 12) this.#second = Number(token.slice(12));
    return true;
  }

  /** Where the word `h`, `min` … that belongs to this number stands: right behind, behind a blank, or before it. */
  #clockWordAt(): number | null {
    const isWord = (ahead: number) => this.#has(ahead) && CLOCK_WORDS.has(this.#token(ahead).toLowerCase());
    if (isWord(1)) return 1;
    if (this.#token(1) === ' ' && isWord(2)) return 2;
    if (isWord(-1)) return -1;
    return this.#at > 1 && !this.#has(1) && this.#token(-1) === ' ' && isWord(-2) ? -2 : null;
  }

  #readWithWord(token: string, wordAt: number): boolean {
    const unit = (CLOCK_WORDS.get(this.#token(wordAt).toLowerCase()) ?? 0) + (wordAt < 0 ? 1 : 0);
    const value = Number(token);
    if (unit === 0) {
      this.#hour = Math.trunc(value);
      if (value % 1) this.#minute = Math.trunc(60 * (value % 1));
    } else if (unit === 1) {
      this.#setMinutes(value);
    } else if (unit === 2) {
      this.#setSeconds(token);
    }
    if (wordAt > 0) this.#at += wordAt;
    return true;
  }

  #readClock(hour: number): boolean {
    const minutes = this.#token(2);
    if (!/^\d+(\.\d+)?$/.test(minutes)) return false;
    this.#hour = Math.trunc(hour);
    this.#setMinutes(Number(minutes));
    if (this.#has(4) && this.#token(3) === ':') {
      if (!/^\d+(\.\d+)?$/.test(this.#token(4))) return false;
      this.#setSeconds(this.#token(4));
      this.#at += 2;
    }
    this.#at += 2;
    return true;
  }

  #readSeparated(token: string, separator: string): boolean {
    if (!this.#addText(token)) return false;
    if (this.#has(2) && !JUMPS.has(this.#token(2).toLowerCase())) {
      if (!this.#addDatePart(this.#token(2), true)) return false;
      if (this.#has(3) && this.#token(3) === separator) {
        if (!this.#addDatePart(this.#token(4), false)) return false;
        this.#at += 2;
      }
      this.#at += 1;
    }
    this.#at += 1;
    return true;
  }

  #addDatePart(token: string, digitsFirst: boolean): boolean {
    if (digitsFirst && /^\d+$/.test(token)) return this.#addText(token);
    const month = monthNamed(token);
    return month > 0 ? this.#addKnown(month, 'month') : !digitsFirst && this.#addText(token);
  }

  #readLoose(value: number): boolean {
    const half = this.#has(2) ? HALF_DAYS.get(this.#token(2).toLowerCase()) : undefined;
    this.#at += 1;
    if (!half) return this.#add(value);
    this.#hour = onClock(Math.trunc(value), half);
    this.#at += 1;
    return true;
  }

  #setMinutes(value: number): void {
    this.#minute = Math.trunc(value);
    if (value % 1) this.#second = Math.trunc(60 * (value % 1));
  }

  #setSeconds(text: string): void {
    const [whole = '', fraction = ''] = text.split('.');
    this.#second = Number(whole);
    this.#microsecond = Number(fraction.padEnd(6, '0').slice(0, 6));
  }

  #couldBeDay(value: number): boolean {
    if (this.#known.has('day') || value < 1) return false;
    const month = this.#known.get('month');
    if (month === undefined) return value <= 31;
    const year = this.#known.get('year');
    return value <= daysInMonth(year === undefined ? 2000 : (this.#numbers[year] ?? 2000), this.#numbers[month] ?? 1);
  }

  #addText(text: string): boolean {
    if (!/^\d+(\.\d+)?$/.test(text)) return false;
    if (!/^\d+$/.test(text)) return false;
    if (text.length > 2) {
      this.#centuryGiven = true;
      return this.#addKnown(Number(text), 'year');
    }
    return this.#push(Number(text));
  }

  #add(value: number): boolean {
    if (value <= 100) return this.#push(Math.trunc(value));
    this.#centuryGiven = true;
    return this.#addKnown(Math.trunc(value), 'year');
  }

  #addKnown(value: number, part: Part): boolean {
    if (this.#known.has(part)) return false;
    this.#known.set(part, this.#numbers.length);
    return this.#push(value);
  }

  #push(value: number): boolean {
    this.#numbers.push(value);
    return true;
  }

  /** Two-digit years lie within fifty years of this one. */
  #fullYear(year: number): number {
    if (year >= 100 || this.#centuryGiven) return year;
    const full = year + Math.floor(this.#thisYear / 100) * 100;
    if (full >= this.#thisYear + 50) return full - 100;
    return full < this.#thisYear - 50 ? full + 100 : full;
  }

  /** Which number is the year, which the month, which the day. */
  #resolve(): Partial<Record<Part, number>> | null {
    const numbers = this.#numbers;
    const known = Object.fromEntries(Array.from(this.#known, ([part, at]) => [part, numbers[at]])) as Partial<
      Record<Part, number>
    >;
    if (numbers.length > 3) return null;
    if (this.#known.size === numbers.length) return known;
    if (numbers.length === 3 && this.#known.size === 2) {
      const at = [0, 1, 2].find((i) => ![...this.#known.values()].includes(i)) ?? 0;
      const missing = (['year', 'month', 'day'] as const).find((part) => !this.#known.has(part)) ?? 'day';
      return { ...known, [missing]: numbers[at] };
    }
    const month = this.#known.get('month');
    const [a = 0, b = 0, c = 0] = numbers;
    if (numbers.length === 1) return a > 31 ? { year: a } : { day: a };
    if (numbers.length === 2) return resolveTwo(a, b, month);
    return resolveThree(a, b, c, month, this.#known.get('year') === 0);
  }
}

function resolveTwo(a: number, b: number, month: number | undefined): Partial<Record<Part, number>> {
  if (month !== undefined) {
    const [name, other] = month === 0 ? [a, b] : [b, a];
    return other > 31 ? { month: name, year: other } : { month: name, day: other };
  }
  if (a > 31) return { year: a, month: b };
  return b > 31 ? { month: a, year: b } : { month: a, day: b };
}

function resolveThree(
  a: number,
  b: number,
  c: number,
  month: number | undefined,
  yearFirst: boolean,
): Record<Part, number> {
  if (month === 0) return b > 31 ? { month: a, year: b, day: c } : { month: a, day: b, year: c };
  if (month === 1) return a > 31 ? { year: a, month: b, day: c } : { day: a, month: b, year: c };
  if (month === 2) return b > 31 ? { day: a, year: b, month: c } : { year: a, day: b, month: c };
  if (a > 31 || yearFirst) return { year: a, month: b, day: c };
  return a > 12 ? { day: a, month: b, year: c } : { month: a, day: b, year: c };
}

function onClock(hour: number, half: 'am' | 'pm'): number {
  if (hour < 12 && half === 'pm') return hour + 12;
  return hour === 12 && half === 'am' ? 0 : hour;
}

function monthNamed(word: string): number {
  const lower = word.toLowerCase();
  if (lower === 'sept') return 9;
  return MONTHS.findIndex((name) => name.toLowerCase() === lower || name.slice(0, 3).toLowerCase() === lower) + 1;
}

function weekdayNamed(word: string): number {
  const lower = word.toLowerCase();
  return WEEKDAYS.findIndex((name) => name.toLowerCase() === lower || name.slice(0, 3).toLowerCase() === lower);
}
