/**
 * When a cron trigger runs. Patterns are read as the reference reads them (spec/rest-api.md §3.10): five fields, or six with the
 * seconds last, or a name such as `@hourly`; all in UTC. Beyond numbers a field takes names of months and days, `*`, `?`, lists,
 * ranges that may go over the end (`fri-mon`, `22-4`), steps; the day of the month takes `l` (the last one), the day of the week
 * `mon#2` (the second Monday) and `l5` (the last Friday). Where both kinds of days are restricted, either is enough; days of
 * certain weeks leave the day of the month without effect.
 */
export interface CronPattern {
  /** The first time after `time`; null when there is none within 50 years. All times are milliseconds since 1970. */
  next(time: number): number | null;
  /** The last time that is not after `time`; null when there is none within 50 years before. */
  latest(time: number): number | null;
}

/** @returns null for what is no pattern, and for one that never comes to pass. */
export function parseCronPattern(text: string): CronPattern | null {
  const words = (NAMED[text.toLowerCase()] ?? text).toLowerCase().match(/\S+/g) ?? [];
  if (words.length !== 5 && words.length !== 6) return null;
  const times = timesOf(words);
  const days = daysOf(words);
  if (times === null || days === null) return null;
  const pattern: CronPattern = {
    next: (time) => search(times, days, Math.floor(time / 1000) * 1000 + 1000, 1),
    latest: (time) => search(times, days, Math.floor(time / 1000) * 1000, -1),
  };
  return pattern.next(0) === null ? null : pattern;
}

const NAMED: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** Values in ascending order. */
interface Times {
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
  readonly seconds: readonly number[];
}

interface Days {
  readonly months: ReadonlySet<number>;
  matches(year: number, month: number, day: number): boolean;
}

function timesOf([minute = '', hour = '', , , , second = '0']: readonly string[]): Times | null {
  const minutes = valuesOf(minute, MINUTE);
  const hours = valuesOf(hour, HOUR);
  const seconds = valuesOf(second, MINUTE);
  if (minutes === null || hours === null || seconds === null) return null;
  return { hours: sorted(hours), minutes: sorted(minutes), seconds: sorted(seconds) };
}

function daysOf([, , dayWord = '', monthWord = '', weekdayWord = '']: readonly string[]): Days | null {
  const months = valuesOf(monthWord, MONTH);
  const day = dayOfMonth(dayWord === '?' ? '*' : dayWord);
  const weekday = dayOfWeek(weekdayWord === '?' ? '*' : weekdayWord);
  if (months === null || day === null || weekday === null) return null;
  // A field that names every value counts as a star, but only beside a star.
  const anyDay = day.isStar || (day.isFull && weekdayWord.includes('*')) || weekday.isOfWeeks;
  const anyWeekday = weekday.isStar || (weekday.isFull && dayWord.includes('*'));
  return {
    months,
    matches: (year, month, date) => {
      if (anyDay) return anyWeekday || weekday.matches(year, month, date);
      if (anyWeekday) return day.matches(year, month, date);
      return day.matches(year, month, date) || weekday.matches(year, month, date);
    },
  };
}

interface DayField {
  /** Such as the second Monday. */
  readonly isOfWeeks: boolean;
  readonly isStar: boolean;
  readonly isFull: boolean;
  matches(year: number, month: number, day: number): boolean;
}

function dayOfMonth(word: string): DayField | null {
  const items = word.split(',');
  const values = valuesOf(items.filter((item) => item !== 'l').join(',') || null, DAY);
  if (values === null) return null;
  const last = items.includes('l');
  return {
    isOfWeeks: false,
    isStar: items.includes('*'),
    isFull: values.size + (last ? 1 : 0) === 31,
    matches: (year, month, day) => values.has(day) || (last && day === daysIn(year, month)),
  };
}

/** Days of certain weeks and plain days do not go together. */
function dayOfWeek(word: string): DayField | null {
  const items = word.split(',');
  const weeks = items.filter((item) => item.includes('#') || /^l\d/.test(item));
  if (weeks.length === 0) {
    const values = valuesOf(word, WEEKDAY);
    if (values === null) return null;
    return {
      isOfWeeks: false,
      isStar: items.includes('*'),
      isFull: values.size === 7,
      matches: (year, month, day) => values.has(weekdayOf(year, month, day)),
    };
  }
  if (weeks.length !== items.length) return null;
  const matchers = weeks.map(weekOfMonth);
  if (!matchers.every((matcher) => matcher !== null)) return null;
  return {
    isOfWeeks: true,
    isStar: false,
    isFull: false,
    matches: (year, month, day) => matchers.some((matches) => matches(year, month, day)),
  };
}

function weekOfMonth(item: string): DayField['matches'] | null {
  const [, last] = /^l(\d)$/.exec(item) ?? [];
  const [, name, nth] = /^(\w+(?:-[a-z]+)?)#([1-5])$/.exec(item) ?? [];
  const values = valuesOf(last ?? name ?? '', WEEKDAY);
  if (values === null) return null;
  return (year, month, day) =>
    values.has(weekdayOf(year, month, day)) &&
    (last === undefined ? Math.ceil(day / 7) === Number(nth) : day > daysIn(year, month) - 7);
}

interface Field {
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

const MINUTE: Field = { low: 0, high: 59, names: [] };
const HOUR: Field = { low: 0, high: 23, names: [] };
const DAY: Field = { low: 1, high: 31, names: [] };
const MONTH: Field = {
  low: 1,
  high: 12,
  names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
};
const WEEKDAY: Field = { low: 0, high: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] };

/** The values of a list; of nothing, none. null when something in it is wrong. */
function valuesOf(word: string | null, field: Field): ReadonlySet<number> | null {
  const values = new Set<number>();
  for (const item of word === null ? [] : word.split(',')) {
    const found = itemValues(item, field);
    if (found === null) return null;
    for (const value of found) values.add(value);
  }
  return values;
}

function itemValues(item: string, field: Field): readonly number[] | null {
  const [, range = '', stepWord] = /^([^/]+)(?:\/(\d{1,9}))?$/.exec(item) ?? [];
  const step = stepWord === undefined ? 1 : Number(stepWord);
  if (step === 0) return null;
  if (range === '*') return steps(field.low, field.high, step, field);
  const bounds = range.split('-');
  if (bounds.length > 2) return null;
  const [low, high] = bounds.map((bound) => valueOf(bound, field));
  if (low === undefined || low === null || high === null) return null;
  // `5/10` goes on to the end.
  if (high === undefined) return stepWord === undefined ? [low] : steps(low, field.high, step, field);
  // From one end of the week to its other name.
  if (low === high && bounds[0] !== bounds[1]) return steps(low, low + field.high - field.low, step, field);
  return steps(low, high < low ? high + field.high - field.low + 1 : high, step, field);
}

function steps(low: number, high: number, step: number, field: Field): readonly number[] {
  const span = field.high - field.low + 1;
  const values: number[] = [];
  for (let value = low; value <= high; value += step) values.push(value > field.high ? value - span : value);
  return values;
}

function valueOf(word: string, field: Field): number | null {
  const name = field.names.indexOf(word);
  if (name !== -1) return name + field.low;
  if (field === DAY && word === 'l') return field.high;
  if (!/^\d{1,9}$/.test(word)) return null;
  const value = field === WEEKDAY && Number(word) === 7 ? 0 : Number(word);
  return value >= field.low && value <= field.high ? value : null;
}

function sorted(values: ReadonlySet<number>): readonly number[] {
  return [...values].sort((a, b) => a - b);
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function weekdayOf(year: number, month: number, day: number): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

const DAY_MILLISECONDS = 86_400_000;
const YEARS = 50;

/** The nearest match at or after `time`, or at or before it where `direction` is -1. */
function search(times: Times, days: Days, time: number, direction: 1 | -1): number | null {
  const start = new Date(time);
  const lastYear = start.getUTCFullYear() + direction * YEARS;
  let midnight = time - (((time % DAY_MILLISECONDS) + DAY_MILLISECONDS) % DAY_MILLISECONDS);
  let limit: readonly [number, number, number] | null = [
    start.getUTCHours(),
    start.getUTCMinutes(),
    start.getUTCSeconds(),
  ];
  for (;;) {
    const date = new Date(midnight);
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
    if (direction === 1 ? year > lastYear : year < lastYear) return null;
    if (!days.months.has(month)) {
      midnight = direction === 1 ? Date.UTC(year, month, 1) : Date.UTC(year, month - 1, 0);
    } else {
      const found = days.matches(year, month, day) ? timeOfDay(times, limit, direction) : null;
      if (found !== null) return midnight + found;
      midnight += direction * DAY_MILLISECONDS;
    }
    limit = null;
  }
}

/** Milliseconds since midnight of the nearest time at or beyond the limit; of the first one in the direction without a limit. */
function timeOfDay(times: Times, limit: readonly [number, number, number] | null, direction: 1 | -1): number | null {
  const pick = (values: readonly number[], from: number | null, beyond: boolean): number | undefined => {
    const fits = (value: number): boolean =>
      from === null || direction * (value - from) > 0 || (!beyond && value === from);
    return direction === 1 ? values.find(fits) : values.findLast(fits);
  };
  const at = (hour: number, minute: number, second: number): number => ((hour * 60 + minute) * 60 + second) * 1000;
  const [h, m, s] = limit ?? [null, null, null];
  const firstMinute = pick(times.minutes, null, false) ?? 0;
  const firstSecond = pick(times.seconds, null, false) ?? 0;
  if (h !== null && m !== null && times.hours.includes(h)) {
    const second = times.minutes.includes(m) ? pick(times.seconds, s, false) : undefined;
    if (second !== undefined) return at(h, m, second);
    const minute = pick(times.minutes, m, true);
    if (minute !== undefined) return at(h, minute, firstSecond);
  }
  const hour = pick(times.hours, h, true);
  return hour === undefined ? null : at(hour, firstMinute, firstSecond);
}
