import { open, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson, type Json } from '../../dsl/json.ts';

/** Larger results do not fit the engine's field limit together with a log tail (spec/spark.md §8.3). */
export const LARGEST_RESULT_BYTES = 768 * 1024;
const LARGEST_LOG_BYTES = 64 * 1024 * 1024;
const HEAD_BYTES = 1024 * 1024;
const TAIL_BYTES = 4 * 1024 * 1024;

export type ResultMode = 'none' | 'last_line' | 'marker' | `file:${string}`;

/** The job's own value, null when it gave none. @throws Error when there is one that cannot be read; its text says what would be right. */
export async function readResult(runDirectory: string, mode: ResultMode): Promise<Json> {
  switch (mode) {
    case 'none':
      return null;
    case 'marker':
      return parseResult(await findMarker(runDirectory), 'The line `::result`');
    case 'last_line':
      return (await readTail(join(runDirectory, 'stdout'), 1)).at(-1) ?? null;
    default:
      return readResultFile(runDirectory, mode.slice('file:'.length));
  }
}

/** The last lines of a file, newest last; none when it is not there. */
export async function readTail(path: string, lines: number): Promise<string[]> {
  const text = await readEnd(path, Math.min(TAIL_BYTES, Math.max(64 * 1024, lines * 1024)));
  const all = text.split('\n');
  if (all.at(-1) === '') all.pop();
  return lines <= 0
    ? []
    : all.slice(-lines).map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line));
}

/** The first part of a file, where a program says who it is. */
export async function readHead(path: string, bytes = 256 * 1024): Promise<string> {
  const file = await open(path).catch(() => null);
  if (file === null) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Spark's log (stderr) and then the program's own lines, of which half the room is kept free for the log. */
export async function readLogTail(runDirectory: string, lines: number): Promise<string[]> {
  const log = await readTail(join(runDirectory, 'stderr'), lines);
  const program = (await readTail(join(runDirectory, 'stdout'), lines)).filter((line) => !line.startsWith(MARKER));
  const own = program.slice(-Math.max(Math.ceil(lines / 2), lines - log.length));
  return [...log.slice(-(lines - own.length) || log.length), ...own].slice(-lines);
}

/**
 * Keeps the files of a chatty job small: over 64 MiB the first and the last part are set aside and the file starts anew. It is
 * opened for appending, so the job goes on writing at its new end. A result line is carried over.
 */
export async function rotateOutput(runDirectory: string, largestBytes = LARGEST_LOG_BYTES): Promise<void> {
  for (const name of ['stdout', 'stderr']) {
    const path = join(runDirectory, name);
    const size = await sizeOf(path);
    if (size <= largestBytes) continue;
    const marker = name === 'stdout' ? await lastMarkerLine(path) : null;
    if (marker !== null) await replace(join(runDirectory, 'result-line'), marker);
    if ((await sizeOf(`${path}.head`)) === 0) await replace(`${path}.head`, await readHead(path, HEAD_BYTES));
    const tail = await readEnd(path, TAIL_BYTES);
    await truncate(path, 0);
    await replace(`${path}.tail`, tail);
  }
}

const MARKER = '::result ';
const LONGEST_LINE = 4096;

async function findMarker(runDirectory: string): Promise<string | null> {
  const line =
    (await lastMarkerLine(join(runDirectory, 'stdout'))) ??
    (await readHead(join(runDirectory, 'result-line'), LARGEST_RESULT_BYTES + 64));
  return line === '' ? null : line.slice(MARKER.length).trim();
}

async function readResultFile(runDirectory: string, name: string): Promise<Json> {
  const path = join(runDirectory, name);
  if ((await sizeOf(path)) > LARGEST_RESULT_BYTES) throw tooLarge(`The file '${name}'`);
  const text = await readHead(path, LARGEST_RESULT_BYTES);
  if (text === '') throw new Error(`The job has written no file '${name}' into the folder that $WF_RUN_DIR names.`);
  return parseResult(text, `The file '${name}'`);
}

function parseResult(text: string | null, what: string): Json {
  if (text === null) return null;
  if (Buffer.byteLength(text) > LARGEST_RESULT_BYTES) throw tooLarge(what);
  try {
    return parseJson(text);
  } catch (error) {
    throw new Error(`${what} holds no valid JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function tooLarge(what: string): Error {
  return new Error(
    `${what} is larger than ${LARGEST_RESULT_BYTES / 1024} KiB; write large data to storage and give its address.`,
  );
}

/** Reads backwards: the last line is near the end as a rule. */
async function lastMarkerLine(path: string): Promise<string | null> {
  const file = await open(path).catch(() => null);
  if (file === null) return null;
  try {
    let end = (await file.stat()).size;
    const chunkBytes = 1024 * 1024;
    while (end > 0) {
      const from = Math.max(0, end - chunkBytes);
      const chunk = Buffer.alloc(end - from);
      await file.read(chunk, 0, chunk.length, from);
      for (let at = chunk.lastIndexOf(MARKER); at >= 0; at = at === 0 ? -1 : chunk.lastIndexOf(MARKER, at - 1)) {
        const isLineStart = at > 0 ? chunk[at - 1] === 10 : from === 0;
        if (isLineStart) return await lineAt(file, from + at);
      }
      // A marker, with the line end before it, may lie across the border.
      end = from === 0 ? 0 : from + MARKER.length + 1;
      if (from === 0) return null;
    }
    return null;
  } finally {
    await file.close();
  }
}

async function lineAt(file: Awaited<ReturnType<typeof open>>, position: number): Promise<string> {
  const length = LARGEST_RESULT_BYTES + MARKER.length + 2;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  const text = buffer.subarray(0, bytesRead);
  const end = text.indexOf(10);
  return text.toString('utf8', 0, end < 0 ? bytesRead : end);
}

async function readEnd(path: string, bytes: number): Promise<string> {
  const file = await open(path).catch(() => null);
  if (file === null) return '';
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - bytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    const text = buffer.toString('utf8', 0, bytesRead);
    // A cut line is dropped, unless it is the only one.
    const start = from === 0 ? 0 : text.indexOf('\n') + 1;
    return start >= text.length ? text : text.slice(start);
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
