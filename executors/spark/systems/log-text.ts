import type { Json } from '../../../dsl/json.ts';

/** A log that comes as one text or as a list, as its last lines. */
export function linesOf(log: Json | undefined, lines: number): readonly string[] {
  const all = Array.isArray(log)
    ? log.flatMap((line) => (typeof line === 'string' ? line.replace(/\n$/, '').split('\n') : []))
    : typeof log === 'string'
      ? log.slice(-LARGEST_LOG).split('\n')
      : [];
  const text = all.map((line) => line.replace(/\r$/, '')).slice(0, all.at(-1) === '' ? -1 : undefined);
  return lines <= 0
    ? []
    : text.slice(-lines).map((line) => (line.startsWith('::result ') ? line : line.slice(0, LONGEST_LINE)));
}

const LARGEST_LOG = 1024 * 1024;
const LONGEST_LINE = 4096;

/** A page of a worker's log: one header line, and perhaps a first line that is cut; a driver it does not know is an error text under 200. */
export function headlessLines(page: string): readonly string[] {
  const header = /^==== Bytes (\d+)-\d+ of \d+ of .* ====\n/.exec(page);
  if (header === null) return [];
  // The worker's own first lines name the whole command, for nobody who reads the end of a log.
  const text = page.slice(header[0].length).replace(/^Launch Command: .*\n=+\n\n?/, '');
  if (text.startsWith('Error: invalid log directory')) return [];
  const lines = linesOf(text, Number.MAX_SAFE_INTEGER);
  return header[1] === '0' ? lines : lines.slice(1);
}
