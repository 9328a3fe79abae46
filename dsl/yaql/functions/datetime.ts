import { divide, multiply, toDouble, divideHalfEven, decompose } from '../arithmetic.ts';
import { DateTime, type DateTimeFields } from '../date-time.ts';
import { formatDate } from '../date-format.ts';
import { parseDate } from '../date-parser.ts';
import { parseWithFormat } from '../date-strptime.ts';
import { define, optional, param, type FunctionDefinition } from '../definitions.ts';
import { overflowError, valueError, zeroDivisionError } from '../errors.ts';
import { Float, isInteger, toFloat, toInteger, type PyInteger, type PyNumber } from '../numbers.ts';
import { TimeSpan } from '../time-span.ts';
import { nullable, types } from '../types.ts';
import { toPosition } from './text.ts';

const { int, integer, number, string, datetime, timespan, any } = types;
const FIELD_NAMES = ['year', 'month', 'day', 'hour', 'minute', 'second', 'microsecond'] as const;
const DAY = 86_400_000_000n;

export const datetimeFunctions: readonly FunctionDefinition[] = [
  define(
    'datetime',
    'function',
    [
      param('year', int),
      param('month', int),
      param('day', int),
      optional('hour', int, 0),
      optional('minute', int, 0),
      optional('second', int, 0),
      optional('microsecond', int, 0),
      optional('offset', timespan, TimeSpan.ZERO),
    ],
    (_, year, month, day, hour, minute, second, microsecond, offset) => {
      const numbers = [year, month, day, hour, minute, second, microsecond].map(toPosition);
      return DateTime.of(fieldsOf(numbers), offset);
    },
  ),
  define(
    'datetime',
    'function',
    [param('timestamp', number), optional('offset', timespan, TimeSpan.ZERO)],
    (_, timestamp, offset) => fromTimestamp(timestamp, offset),
  ),
  define(
    'datetime',
    'function',
    [param('string', string), optional('format', nullable(string), null)],
    (_, text, format) => (format ? parseWithFormat(text, format) : parseDate(text, midnight(now(localOffset())))),
  ),
  define(
    'timespan',
    'function',
    [
      optional('days', int, 0),
      optional('hours', int, 0),
      optional('minutes', int, 0),
      optional('seconds', integer, 0),
      optional('milliseconds', integer, 0),
      optional('microseconds', integer, 0),
    ],
    (_, ...amounts) =>
      new TimeSpan(amounts.reduce<bigint>((sum, amount, i) => sum + BigInt(amount) * (UNITS[i] ?? 1n), 0n)),
  ),
  define('now', 'function', [optional('offset', nullable(timespan), TimeSpan.ZERO)], (_, offset) =>
    now(offset ?? localOffset()),
  ),
  define('localtz', 'function', [], () => localOffset()),
  define('utctz', 'function', [], () => TimeSpan.ZERO),
  ...operators(),
  ...comparisons(),
  ...properties(),
  define(
    'replace',
    'method',
    [
      param('dt', datetime),
      ...FIELD_NAMES.map((name) => optional(name, nullable(int), null)),
      optional('offset', nullable(timespan), null),
    ],
    (_, value, ...changes) => replaceFields(value as DateTime, changes as (PyInteger | TimeSpan | null)[]),
  ),
  define('format', 'method', [param('dt', datetime), param('format', string)], (_, value, format) =>
    formatDate(value, format),
  ),
  define('isDatetime', 'function', [param('value', any)], (_, value) => value instanceof DateTime),
  define('isTimespan', 'function', [param('value', any)], (_, value) => value instanceof TimeSpan),
];

/** Microseconds of days, hours, minutes, seconds, milliseconds, microseconds. */
const UNITS = [DAY, 3_600_000_000n, 60_000_000n, 1_000_000n, 1_000n, 1n] as const;

function operators(): FunctionDefinition[] {
  const span = (name: string) => param(name, timespan);
  const date = (name: string) => param(name, datetime);
  const difference = (a: bigint, b: bigint) => new TimeSpan(a - b);
  return [
    define('#operator_+', 'function', [date('dt'), span('ts')], (_, dt, ts) => dt.plus(ts)),
    define('#operator_+', 'function', [span('ts'), date('dt')], (_, ts, dt) => dt.plus(ts)),
    define(
      '#operator_+',
      'function',
      [span('ts1'), span('ts2')],
      (_, a, b) => new TimeSpan(a.microseconds + b.microseconds),
    ),
    define('#operator_-', 'function', [date('dt'), span('ts')], (_, dt, ts) => dt.plus(new TimeSpan(-ts.microseconds))),
    define('#operator_-', 'function', [date('dt1'), date('dt2')], (_, a, b) => difference(a.instant, b.instant)),
    define('#operator_-', 'function', [span('ts1'), span('ts2')], (_, a, b) =>
      difference(a.microseconds, b.microseconds),
    ),
    define('#operator_*', 'function', [span('ts'), param('n', number)], (_, ts, n) => times(ts, n)),
    define('#operator_*', 'function', [param('n', number), span('ts')], (_, n, ts) => times(ts, n)),
    define('#operator_/', 'function', [span('ts1'), span('ts2')], (_, a, b) => {
      if (b.microseconds === 0n) throw zeroDivisionError('float division by zero');
      return toFloat(Number(a.microseconds) / Number(b.microseconds));
    }),
    define('#operator_/', 'function', [span('ts'), param('n', number)], (_, ts, n) => dividedBy(ts, n)),
    define('#unary_operator_-', 'function', [span('ts')], (_, ts) => new TimeSpan(-ts.microseconds)),
    define('#unary_operator_+', 'function', [span('ts')], (_, ts) => ts),
  ];
}

function comparisons(): FunctionDefinition[] {
  const tests: readonly (readonly [string, (a: bigint, b: bigint) => boolean])[] = [
    ['>', (a, b) => a > b],
    ['>=', (a, b) => a >= b],
    ['<', (a, b) => a < b],
    ['<=', (a, b) => a <= b],
  ];
  return tests.flatMap(([operator, test]) => [
    define(`#operator_${operator}`, 'function', [param('dt1', datetime), param('dt2', datetime)], (_, a, b) =>
      test(a.instant, b.instant),
    ),
    define(`#operator_${operator}`, 'function', [param('ts1', timespan), param('ts2', timespan)], (_, a, b) =>
      test(a.microseconds, b.microseconds),
    ),
  ]);
}

function properties(): FunctionDefinition[] {
  const ofDate = (name: string, read: (value: DateTime) => unknown) =>
    define(`#property#${name}`, 'function', [param('dt', datetime)], (_, value) => read(value));
  const ofSpan = (name: string, read: (value: TimeSpan) => unknown) =>
    define(`#property#${name}`, 'function', [param('timespan', timespan)], (_, value) => read(value));
  const amounts = [
    ['milliseconds', 1000],
    ['seconds', 1_000_000],
    ['minutes', 60_000_000],
    ['hours', 3_600_000_000],
    ['days', 86_400_000_000],
  ] as const;
  return [
    ...FIELD_NAMES.map((name) => ofDate(name, (value) => value.fields()[name])),
    ofDate('weekday', (value) => value.weekday()),
    ofDate('date', midnight),
    ofDate('time', (value) => new TimeSpan(value.local - midnight(value).local)),
    ofDate('offset', (value) => value.offset),
    // Kept for Mistral's sake: the clock shows UTC, but the offset stays, so the timestamp of the result is wrong.
    ofDate('utc', toUtcClock),
    ofDate('timestamp', (value) => toFloat(Number(toUtcClock(value).instant) / 1_000_000)),
    ofSpan('microseconds', (value) => toInteger(value.microseconds)),
    ...amounts.map(([name, unit]) => ofSpan(name, (value) => toFloat(Number(value.microseconds) / unit))),
  ];
}

function fieldsOf(numbers: readonly number[]): DateTimeFields {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, microsecond = 0] = numbers;
  return { year, month, day, hour, minute, second, microsecond };
}

function midnight(value: DateTime): DateTime {
  const ofDay = ((value.local % DAY) + DAY) % DAY;
  return new DateTime(value.local - ofDay, value.offset);
}

function toUtcClock(value: DateTime): DateTime {
  return value.plus(new TimeSpan(-value.offset.microseconds));
}

function replaceFields(value: DateTime, changes: readonly (PyInteger | TimeSpan | null)[]): DateTime {
  const old = value.fields();
  const numbers = FIELD_NAMES.map((name, i) => {
    const change = changes[i];
    return change === null || change === undefined || change instanceof TimeSpan ? old[name] : toPosition(change);
  });
  const offset = changes[FIELD_NAMES.length];
  return DateTime.of(fieldsOf(numbers), offset instanceof TimeSpan ? offset : value.offset);
}

function fromTimestamp(timestamp: PyNumber, offset: TimeSpan): DateTime {
  const microseconds = isInteger(timestamp)
    ? BigInt(timestamp) * 1_000_000n
    : roundedMicroseconds(toDouble(timestamp), 1_000_000n);
  try {
    return new DateTime(microseconds + offset.microseconds, offset);
  } catch {
    throw valueError('year is out of range');
  }
}

/** A double times a whole number, to the nearest integer, ties to even, exactly. */
function roundedMicroseconds(value: number, unit: bigint): bigint {
  if (Number.isNaN(value)) throw valueError('cannot convert float NaN to integer');
  if (!Number.isFinite(value)) throw overflowError('cannot convert float infinity to integer');
  if (value === 0) return 0n;
  const [mantissa, exponent] = decompose(Math.abs(value));
  const signed = (value < 0 ? -mantissa : mantissa) * unit;
  return exponent >= 0 ? signed * 2n ** BigInt(exponent) : divideHalfEven(signed, 2n ** BigInt(-exponent));
}

function times(span: TimeSpan, factor: PyNumber): TimeSpan {
  return spanOf(multiply(toInteger(span.microseconds), factor));
}

/** Between integers this is a true division, unlike YAQL's own. */
function dividedBy(span: TimeSpan, divisor: PyNumber): TimeSpan {
  return spanOf(divide(new Float(Number(span.microseconds)), divisor));
}

function spanOf(microseconds: PyNumber): TimeSpan {
  return new TimeSpan(isInteger(microseconds) ? BigInt(microseconds) : roundedMicroseconds(toDouble(microseconds), 1n));
}

function now(offset: TimeSpan): DateTime {
  const microseconds = BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000));
  return new DateTime(microseconds + offset.microseconds, offset);
}

function localOffset(): TimeSpan {
  return new TimeSpan(BigInt(-new Date().getTimezoneOffset()) * 60_000_000n);
}
