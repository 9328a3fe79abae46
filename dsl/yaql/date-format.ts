import { type DateTime, dayOfYear, isoWeek } from './date-time.ts';

export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;
export const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] as const;

/** C's strftime in the C locale (spec/expressions.md §14.1), with glibc's flags `-`, `_`, `0`, `^`. Unknown codes are left as they are. */
export function formatDate(value: DateTime, format: string): string {
  return format.replace(/%([-_0^#]*)(\d*)[EO]?([a-zA-Z%])/g, (whole, flags: string, width: string, code: string) => {
    const field = FIELDS[code]?.(value);
    if (field === undefined) return whole;
    return adjust(field, flags, width);
  });
}

/** Text, or a number with its usual width and padding. */
type Field = string | readonly [number: number, width: number, padding: '0' | ' '];

const FIELDS: Readonly<Record<string, (value: DateTime) => Field>> = {
  a: (value) => WEEKDAYS[value.weekday()]?.slice(0, 3) ?? '',
  A: (value) => WEEKDAYS[value.weekday()] ?? '',
  b: (value) => MONTHS[value.fields().month - 1]?.slice(0, 3) ?? '',
  B: (value) => MONTHS[value.fields().month - 1] ?? '',
  c: (value) => formatDate(value, '%a %b %e %H:%M:%S %Y'),
  C: (value) => [Math.floor(value.fields().year / 100), 1, '0'],
  d: (value) => [value.fields().day, 2, '0'],
  D: (value) => formatDate(value, '%m/%d/%y'),
  e: (value) => [value.fields().day, 2, ' '],
  f: (value) => String(value.fields().microsecond).padStart(6, '0'),
  F: (value) => formatDate(value, '%Y-%m-%d'),
  g: (value) => [isoWeek(value).year % 100, 2, '0'],
  G: (value) => [isoWeek(value).year, 1, '0'],
  h: (value) => MONTHS[value.fields().month - 1]?.slice(0, 3) ?? '',
  H: (value) => [value.fields().hour, 2, '0'],
  I: (value) => [value.fields().hour % 12 || 12, 2, '0'],
  j: (value) => [dayOfYear(value), 3, '0'],
  k: (value) => [value.fields().hour, 2, ' '],
  l: (value) => [value.fields().hour % 12 || 12, 2, ' '],
  m: (value) => [value.fields().month, 2, '0'],
  M: (value) => [value.fields().minute, 2, '0'],
  n: () => '\n',
  p: (value) => (value.fields().hour < 12 ? 'AM' : 'PM'),
  P: (value) => (value.fields().hour < 12 ? 'am' : 'pm'),
  r: (value) => formatDate(value, '%I:%M:%S %p'),
  R: (value) => formatDate(value, '%H:%M'),
  s: (value) => String((value.local - (((value.local % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n),
  S: (value) => [value.fields().second, 2, '0'],
  t: () => '\t',
  T: (value) => formatDate(value, '%H:%M:%S'),
  u: (value) => [value.weekday() + 1, 1, '0'],
  U: (value) => [Math.floor((dayOfYear(value) + 6 - ((value.weekday() + 1) % 7)) / 7), 2, '0'],
  V: (value) => [isoWeek(value).week, 2, '0'],
  w: (value) => [(value.weekday() + 1) % 7, 1, '0'],
  W: (value) => [Math.floor((dayOfYear(value) + 6 - value.weekday()) / 7), 2, '0'],
  x: (value) => formatDate(value, '%m/%d/%y'),
  X: (value) => formatDate(value, '%H:%M:%S'),
  y: (value) => [value.fields().year % 100, 2, '0'],
  Y: (value) => [value.fields().year, 1, '0'],
  z: (value) => value.offsetText().replaceAll(':', ''),
  Z: (value) => (value.offset.microseconds === 0n ? 'UTC' : ''),
  '%': () => '%',
};

/** glibc's `#`: capitals become small ones (`AM`, `UTC`), anything else capitals. */
function swapCase(text: string): string {
  return text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase();
}

function adjust(field: Field, flags: string, width: string): string {
  const flag = flags.at(-1);
  if (typeof field === 'string') {
    const text = flag === '^' ? field.toUpperCase() : flag === '#' ? swapCase(field) : field;
    return text.padStart(Number(width), flag === '0' ? '0' : ' ');
  }
  const [number, usual, padding] = field;
  if (flag === '-') return String(number);
  const fill = flag === '_' ? ' ' : flag === '0' ? '0' : padding;
  return String(number).padStart(width === '' ? usual : Number(width), fill);
}
