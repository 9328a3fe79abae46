import { link, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { isJsonObject, parseJson, stringifyJson, type Json, type JsonObject } from '../../../dsl/json.ts';
import { codeOf, isAlive, type ProcessIdentity } from '../../../processes/process.ts';
import { exists, readExit, readProcess } from '../../../processes/run-directory.ts';
import type { SparkOptions } from '../plan.ts';

/** What the session's program needs to know (`session.json`, read by host-script.ts). */
export interface SessionSettings {
  readonly project_id: string;
  readonly kind: string;
  readonly idle_seconds: number;
  /** Rows of a table that are handed back. */
  readonly max_rows: number;
  /** Bytes of a statement's printed text, and of its whole answer. */
  readonly print_limit: number;
  readonly result_limit: number;
}

/** Beside the run directories, so that counting sessions does not read those of every job. */
export function sessionsFolder(options: SparkOptions): string {
  return join(dirname(options.runsFolder), 'sessions');
}

export async function writeSettings(folder: string, settings: SessionSettings): Promise<void> {
  await replaceFile(join(folder, 'session.json'), { ...settings });
}

/** Null: there is no such session. */
export async function readSettings(folder: string): Promise<JsonObject | null> {
  return readObject(join(folder, 'session.json'));
}

/** What the session said when it began to take code; null before. */
export async function readReady(folder: string): Promise<JsonObject | null> {
  return readObject(join(folder, 'ready.json'));
}

/** Why the session ended by itself: `idle` or `closed`; null when it has said nothing. */
export async function readEnding(folder: string): Promise<string | null> {
  const ended = await readObject(join(folder, 'ended.json'));
  return typeof ended?.reason === 'string' ? ended.reason : null;
}

/** The session's process if it lives; null when it has ended or never began. */
export async function livingProcess(folder: string): Promise<ProcessIdentity | null> {
  const identity = await readProcess(folder);
  if (typeof identity !== 'object' || (await readExit(folder)) !== null) return null;
  return (await isAlive(identity)) ? identity : null;
}

export type StatementPlace = 'nowhere' | 'waiting' | 'running' | 'ended';

/** How far a statement has come. Asked from its end backwards, since it moves on meanwhile. */
export async function placeOf(folder: string, key: string): Promise<StatementPlace> {
  const file = `${key}.json`;
  // Taken is looked for first: between "not in the inbox" and "not taken" it may move.
  for (let look = 0; look < 2; look++) {
    if (await exists(join(folder, 'results', file))) return 'ended';
    if (await exists(join(folder, 'taken', file))) return 'running';
    if (await exists(join(folder, 'inbox', file))) return 'waiting';
  }
  return 'nowhere';
}

/** Asks for a statement. A second time under the same key changes nothing. */
export async function askFor(folder: string, key: string, request: JsonObject): Promise<void> {
  const draft = join(folder, `draft-${randomUUID()}`);
  await writeFile(draft, stringifyJson(request), { mode: 0o600 });
  try {
    await link(draft, join(folder, 'inbox', `${key}.json`));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
}

/** Takes back a statement, unless its turn has come. */
export async function withdraw(folder: string, key: string): Promise<void> {
  try {
    await unlink(join(folder, 'inbox', `${key}.json`));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** The code of a session can write there as well: what cannot be read is a failure of the statement, not of the server. */
export async function readStatementResult(folder: string, key: string): Promise<JsonObject | null> {
  try {
    return await readObject(join(folder, 'results', `${key}.json`));
  } catch (error) {
    const evalue = error instanceof Error ? error.message : String(error);
    return { status: 'error', ename: 'UnreadableResult', evalue, traceback: null };
  }
}

export async function askToCancel(folder: string, key: string): Promise<void> {
  await writeFile(join(folder, 'cancel', key), '');
}

export async function askToClose(folder: string): Promise<void> {
  await writeFile(join(folder, 'close'), '');
}

async function readObject(path: string): Promise<JsonObject | null> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LARGEST_BYTES) throw new Error(`${path} is larger than ${LARGEST_BYTES} bytes.`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  const value: Json = parseJson(text);
  if (!isJsonObject(value)) throw new Error(`${path} holds no mapping.`);
  return value;
}

/** More than a result with its log may have. */
const LARGEST_BYTES = 4 * 1024 * 1024;

async function replaceFile(path: string, value: JsonObject): Promise<void> {
  await writeFile(`${path}.new`, stringifyJson(value), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
