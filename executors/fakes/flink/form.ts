import type { IncomingMessage } from 'node:http';

export interface FormFile {
  /** null for a plain field. */
  readonly name: string | null;
  readonly field: string;
  readonly bytes: number;
}

/** Reads a form as it comes and keeps only the heads of its parts: an upload of any size costs no memory. Null when it is none. */
export async function readForm(request: IncomingMessage): Promise<readonly FormFile[] | null> {
  const boundary = /boundary="?([^";]+)"?/.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) return null;
  const mark = Buffer.from(`\r\n--${boundary}`);
  const parts: { head: string; bytes: number }[] = [];
  // The first mark has no line before it.
  let rest = Buffer.from('\r\n');
  let inHead = false;
  let isOpen = false;
  for await (const chunk of request) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (;;) {
      const part = parts.at(-1);
      if (inHead) {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) break;
        if (part !== undefined) part.head = rest.subarray(0, end).toString('latin1');
        rest = rest.subarray(end + 4);
        inHead = false;
        continue;
      }
      const at = rest.indexOf(mark);
      const body = at < 0 ? Math.max(0, rest.length - mark.length) : at;
      if (isOpen && part !== undefined) part.bytes += body;
      if (at < 0) {
        rest = Buffer.from(rest.subarray(body));
        break;
      }
      if (rest.length < at + mark.length + 2) {
        if (isOpen && part !== undefined) part.bytes -= body;
        break;
      }
      const isLast = rest.subarray(at + mark.length, at + mark.length + 2).toString() === '--';
      rest = rest.subarray(at + mark.length + 2);
      isOpen = !isLast;
      if (isLast) break;
      parts.push({ head: '', bytes: 0 });
      inHead = true;
    }
  }
  return parts.map(({ head, bytes }) => ({
    name: /filename="([^"]*)"/.exec(head)?.[1] ?? null,
    field: /[; ]name="([^"]*)"/.exec(head)?.[1] ?? '',
    bytes,
  }));
}
