import test from 'ava';
import { DateTime, TimeSpan, YaqlError, parse, pyRepr, pyStr } from '../../dsl/yaql/index.ts';
import { parseDate } from '../../dsl/yaql/date-parser.ts';

const today = DateTime.of({ year: 2024, month: 2, day: 29, hour: 0, minute: 0, second: 0, microsecond: 0 });

const read: readonly [text: string, date: string][] = [
  ['2024-03-09', '2024-03-09 00:00:00+00:00'],
  ['20240309T101530', '2024-03-09 10:15:30+00:00'],
  ['2024-03-09T10:15:30.123456789Z', '2024-03-09 10:15:30.123456+00:00'],
  ['2024-03-09 10:15:30+0330', '2024-03-09 10:15:30+03:30'],
  ['2024-03-09 10:15 UTC+3', '2024-03-09 10:15:00-03:00'],
  ['2024-03-09 10:15 EST', '2024-03-09 10:15:00+00:00'],
  ['03/09/2024', '2024-03-09 00:00:00+00:00'],
  ['13/09/2024', '2024-09-13 00:00:00+00:00'],
  ['March 9, 2024 10:15 PM', '2024-03-09 22:15:00+00:00'],
  ['12 am 9 Mar 2024', '2024-03-09 00:00:00+00:00'],
  ['Sat, 09 Mar 2024 10:15:30 +0000', '2024-03-09 10:15:30+00:00'],
  ['Sat Mar  9 10:15:30 2024', '2024-03-09 10:15:30+00:00'],
  ['9 Mar 99', '1999-03-09 00:00:00+00:00'],
  ['10h 30m 15s', '2024-02-29 10:30:15+00:00'],
  ['10:15', '2024-02-29 10:15:00+00:00'],
  ['Feb 2023', '2023-02-28 00:00:00+00:00'],
  ['Sat', '2024-03-02 00:00:00+00:00'],
];

for (const [text, date] of read) {
  test(`reads "${text}" as ${date} when today is 29 February 2024`, (t) => {
    t.is(pyStr(parseDate(text, today)), date);
  });
}

for (const text of [
  '',
  'zzz',
  '2024-W10',
  '2024-069',
  '2024-03-09T24:00:00',
  '1700000000',
  '2023-02-29',
  '5 5 5 5',
  '2024-03-09 13:00 PM x',
]) {
  test(`does not take "${text}" for a date`, (t) => {
    t.is(t.throws(() => parseDate(text, today), { instanceOf: YaqlError })?.className, 'ParserError');
  });
}

const results: readonly [expression: string, result: unknown][] = [
  ['str(datetime(2024, 2, 28) + timespan(2))', '2024-03-01 00:00:00+00:00'],
  ['str(timespan(seconds => -1))', '-1 day, 23:59:59'],
  ['str(timespan(1, 2, 3, 4, 5, 6))', '1 day, 2:03:04.005006'],
  ['datetime("2024-10-1", "%Y-%U-%w").format("%F")', '2024-03-11'],
  ['datetime("100%", "%j%%").format("%m-%d")', '04-10'],
  ['datetime(2024, 12, 30).format("%G-W%V-%u %j %a %B %C%y %e%%")', '2025-W01-1 365 Mon December 2024 30%'],
  ['datetime(2024, 3, 9, 0, 5).format("%I:%M %p|%k|%-d|%q")', '12:05 AM| 0|9|%q'],
  ['timespan(microseconds => 1) / 2 = timespan()', true],
  ['timespan(microseconds => 3) / 2 = timespan(microseconds => 2)', true],
  ['datetime(2024, 1, 1) = datetime(2024, 1, 1, 3, offset => timespan(hours => 3))', true],
  ['datetime(0.5).microsecond', 500_000],
  ['now().offset = timespan() and now(localtz()) - now() < timespan(seconds => 5)', true],
];

for (const [expression, result] of results) {
  test(`${expression} is ${JSON.stringify(result)}`, (t) => {
    t.deepEqual(parse(expression).evaluate(null), result);
  });
}

test('dates and times print as Python objects inside of collections', (t) => {
  const date = DateTime.of(
    { year: 2024, month: 3, day: 9, hour: 1, minute: 2, second: 0, microsecond: 5 },
    new TimeSpan(10_800_000_000n),
  );
  t.is(pyRepr(date), 'datetime.datetime(2024, 3, 9, 1, 2, 0, 5, tzinfo=tzoffset(None, 10800))');
  t.is(pyRepr(new TimeSpan(-1n)), 'datetime.timedelta(days=-1, seconds=86399, microseconds=999999)');
});

const failures: readonly [expression: string, className: string][] = [
  ['datetime(9999, 12, 31) + timespan(1)', 'OverflowError'],
  ['timespan(999999999) + timespan(1)', 'OverflowError'],
  ['datetime(2024, 2, 30)', 'ValueError'],
  ['datetime(2024, 1, 1, offset => timespan(1))', 'ValueError'],
  ['datetime("2024", "%Y-%m")', 'ValueError'],
  ['datetime("2024", "%Q")', 'ValueError'],
  ['timespan(1) / 0', 'ZeroDivisionError'],
];

for (const [expression, className] of failures) {
  test(`${expression} fails with ${className}`, (t) => {
    t.is(t.throws(() => parse(expression).evaluate(null), { instanceOf: YaqlError })?.className, className);
  });
}
