import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { hashOfFile } from '../../executors/files/file-hash.ts';
import type { ExitCode } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { ServerError } from './http.ts';
import type { Client } from './http.ts';
import { showList } from './output.ts';
import type { Run } from './command-groups.ts';
import type { Session } from './run.ts';

/** Far less than a request may take time for, on slow lines too. */
const PIECE_BYTES = 8 * 1024 * 1024;
const MOST_TRIES = 5;

export async function uploadFiles(
  session: Session,
  run: Run,
  files: readonly string[],
  name: string | undefined,
): Promise<ExitCode> {
  if (name !== undefined && files.length > 1) throw new UsageError('--name is for one file; several keep their names');
  const done: JsonObject[] = [];
  for (const file of files) done.push(await uploadFile(session.client, file, name ?? basename(file)));
  // What workflows are given, as a whole: cells of tables are cut.
  session.terminal.out(
    session.format === 'table'
      ? done.map((file) => `${String(file['uri'])}\n`).join('')
      : showList(done, ['uri', 'size', 'created_at'], session.format),
  );
  return 0;
}

async function uploadFile(client: Client, file: string, name: string): Promise<JsonObject> {
  const size = await sizeOf(file);
  const sha256 = await hashOfFile(file);
  const send = async (offset: number, bytes: Uint8Array): Promise<JsonObject> => {
    const query = { name, sha256, size: String(size), offset: String(offset) };
    return objectOf(await client.call('POST', '/v2/files', { query, bytes }));
  };
  for (let failures = 0; ; ) {
    try {
      return await sendRest(file, size, await send(0, new Uint8Array()), send);
    } catch (error) {
      if (!mayPass(error) || ++failures >= MOST_TRIES) throw error;
      await sleep(500 * 2 ** failures);
    }
  }
}

/** From where the server is. A file of no bytes is whole with the first, empty request. */
async function sendRest(
  file: string,
  size: number,
  first: JsonObject,
  send: (offset: number, bytes: Uint8Array) => Promise<JsonObject>,
): Promise<JsonObject> {
  let reply = first;
  const handle = await open(file);
  try {
    while (reply['size'] === null) {
      const offset = Number(reply['received']);
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, size - offset));
      const { bytesRead } = await handle.read(piece, 0, piece.length, offset);
      if (bytesRead === 0) throw new UsageError(`${file} has become shorter while it was uploaded`);
      reply = await send(offset, piece.subarray(0, bytesRead));
    }
    return reply;
  } finally {
    await handle.close();
  }
}

/** No answer, another request with the same content, or a server that is busy or starting. */
function mayPass(error: unknown): boolean {
  return error instanceof ServerError && (error.status === null || error.status === 409 || error.status >= 502);
}

export async function downloadFile(session: Session, which: string, output: string | undefined): Promise<ExitCode> {
  const path = `/v2/files/${encodeURIComponent(which)}`;
  const file = objectOf(await session.client.call('GET', path));
  const target = output ?? String(file['name']);
  const part = `${target}.part`;
  const response = await session.client.open(`${path}/content`, { Accept: '*/*' }, new AbortController().signal);
  try {
    if (response.body === null) throw new ServerError(response.status, 'The server answered without a content.');
    await pipeline(Readable.fromWeb(response.body), createWriteStream(part));
    const found = await hashOfFile(part);
    if (found !== file['sha256']) throw new ServerError(response.status, `The content arrived damaged: ${found}.`);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  session.terminal.err(`saved ${target}\n`);
  return 0;
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => null);
  if (found === null) throw new UsageError(`Cannot read ${file}: there is no such file`);
  if (!found.isFile()) throw new UsageError(`Cannot upload ${file}: it is no file`);
  return found.size;
}

function objectOf(reply: Json): JsonObject {
  return isJsonObject(reply) ? reply : {};
}
