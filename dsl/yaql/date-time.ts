import { overflowError, valueError } from './errors.ts';
import { TimeSpan } from './time-span.ts';
import { YaqlValue, type Kind } from './values.ts';

const DAY = 86_400_000_000n;
const MIN_LOCAL = microsecondsOf(1, 1, 1);
const MAX_LOCAL = microsecondsOf(10_000, 1, 1);

export interface DateTimeFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
}

/** A date and time of the years 1 to 9999 at a fixed offset from UTC, to the microsecond. */
export class DateTime extends YaqlValue {
  readonly yaqlKind: Kind = 'datetime';
  /** The clock's reading as microseconds since 1970-01-01 00:00 on that clock. */
  readonly local: bigint;
  readonly offset: TimeSpan;

  /** @throws OverflowError (YaqlError) outside of the years 1 to 9999, ValueError for an offset of a day or more. */
  constructor(local: bigint, offset: TimeSpan = TimeSpan.ZERO) {
    super();
    if (local < MIN_LOCAL || local >= MAX_LOCAL) throw overflowError('date value out of range');
    if (offset.microseconds <= -DAY || offset.microseconds >= DAY) {
      throw valueError('offset must be strictly between -24 and 24 hours');
    }
    this.local = local;
    this.offset = offset;
  }

  /** @throws ValueError (YaqlError) naming the field that is out of range. */
  static of(fields: DateTimeFields, offset: TimeSpan = TimeSpan.ZERO): DateTime {
    checkRange('year', fields.year, 1, 9999);
    checkRange('month', fields.month, 1, 12);
    if (fields.day < 1 || fields.day > daysInMonth(fields.year, fields.month)) {
      throw valueError('day is out of range for month');
    }
    checkRange('hour', fields.hour, 0, 23);
    checkRange('minute', fields.minute, 0, 59);
    checkRange('second', fields.second, 0, 59);
    checkRange('microsecond', fields.microsecond, 0, 999_999);
    const seconds = fields.hour * 3600 + fields.minute * 60 + fields.second;
    const day = microsecondsOf(fields.year, fields.month, fields.day);
    return new DateTime(day + BigInt(seconds) * 1_000_000n + BigInt(fields.microsecond), offset);
  }

  /** Microseconds since 1970-01-01 UTC. */
  get instant(): bigint {
    return this.local - this.offset.microseconds;
  }

  fields(): DateTimeFields {
    const ofDay = Number(((this.local % DAY) + DAY) % DAY);
    const date = new Date(Number((this.local - BigInt(ofDay)) / 1000n));
    return {
      year: date.getUTCFullYear(),
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      hour: Math.floor(ofDay / 3_600_000_000),
      minute: Math.floor(ofDay / 60_000_000) % 60,
      second: Math.floor(ofDay / 1_000_000) % 60,
      microsecond: ofDay % 1_000_000,
    };
  }

  /** Monday is 0. */
  weekday(): number {
    const day = Number((this.local - (((this.local % DAY) + DAY) % DAY)) / DAY);
    return (((day + 3) % 7) + 7) % 7;
  }

  plus(span: TimeSpan): DateTime {
    return new DateTime(this.local + span.microseconds, this.offset);
  }

  /** `YYYY-MM-DDTHH:MM:SS[.ffffff]`, or with a blank, without the offset. */
  isoLocal(separator: 'T' | ' ' = 'T', alwaysFraction = false): string {
    const { year, month, day, hour, minute, second, microsecond } = this.fields();
    const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
    const fraction = microsecond === 0 && !alwaysFraction ? '' : `.${pad(microsecond, 6)}`;
    return `${date}${separator}${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${fraction}`;
  }

  /** `+03:00`, with seconds only when there are any. */
  offsetText(): string {
    const total = this.offset.microseconds;
    const seconds = Number((total < 0n ? -total : total) / 1_000_000n);
    const text = `${total < 0n ? '-' : '+'}${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}`;
    return seconds % 60 === 0 ? text : `${text}:${pad(seconds % 60, 2)}`;
  }

  /** Python's str: `2024-03-09 22:15:30+00:00`. */
  override toString(): string {
    return this.isoLocal(' ') + this.offsetText();
  }

  override equalTo(other: unknown): boolean {
    return other instanceof DateTime && other.instant === this.instant;
  }

  override hashKey(): unknown {
    return `\0@${this.instant}`;
  }
}

export function daysInMonth(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
}

/** 1 for the first of January. */
export function dayOfYear(value: DateTime): number {
  const { year, month, day } = value.fields();
  let days = day;
  for (let i = 1; i < month; i += 1) days += daysInMonth(year, i);
  return days;
}

/** The ISO 8601 week and the year it belongs to. */
export function isoWeek(value: DateTime): { readonly year: number; readonly week: number } {
  const { year } = value.fields();
  const week = Math.floor((dayOfYear(value) - 1 - value.weekday() + 10) / 7);
  if (week < 1) return { year: year - 1, week: weeksInYear(year - 1) };
  return week > weeksInYear(year) ? { year: year + 1, week: 1 } : { year, week };
}

/** Monday is 0; also for years out of range. */
export function weekdayOf(year: number, month: number, day: number): number {
  const days = Number(microsecondsOf(year, month, day) / DAY);
  return (((days + 3) % 7) + 7) % 7;
}

/** 53 when the year begins on a Thursday, or on a Wednesday and is a leap year. */
function weeksInYear(year: number): number {
  const first = weekdayOf(year, 1, 1);
  return first === 3 || (first === 2 && daysInMonth(year, 2) === 29) ? 53 : 52;
}

/** Midnight of a day of the proleptic Gregorian calendar as microseconds since 1970-01-01. */
function microsecondsOf(year: number, month: number, day: number): bigint {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return BigInt(date.getTime()) * 1000n;
}

function checkRange(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high)) {
    throw valueError(name === 'year' ? `year ${value} is out of range` : `${name} must be in ${low}..${high}`);
  }
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
