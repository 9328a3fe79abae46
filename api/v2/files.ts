import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { EngineError } from '../../engine/errors.ts';
import { JOB_FILES } from '../../engine/store/collections.ts';
import {
  appendPiece,
  checkRoom,
  deleteJobFile,
  dropUpload,
  findJobFile,
  findLinkedFile,
  findUpload,
  finishUpload,
  hashIn,
  hashOfPieces,
  openUpload,
  PIECE_BYTES,
  readPieces,
  renameFile,
} from '../../engine/store/job-files.ts';
import type { JobFileRow, UploadRow } from '../../engine/store/job-files.ts';
import type { Store } from '../../engine/store/connection.ts';
import { ApiError, badRequest, invalidValue } from '../api-error.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter, Reply } from '../request.ts';
import { chosenFields, JOB_FILE, show } from '../resources.ts';
import type { Services } from '../services.ts';

export const LIST: ListShape = {
  resource: JOB_FILE,
  collection: JOB_FILES,
  filters: ['name', 'sha256', 'size', 'project_id', 'created_at', 'used_at'],
  defaultSort: 'created_at',
};
export const UPLOAD_PARAMETERS = ['name', 'sha256', 'size', 'offset'];

/**
 * Files for jobs, by the SHA-256 of their content (docs/files.md). An upload is kept piece by piece as it comes: where the hash was told in
 * advance, what has arrived before a connection broke is not sent again.
 */
export function fileRoutes(router: ApiRouter, services: Services): void {
  const { store } = services;
  router.get(
    '/files',
    serve((request) => answerList(store, request, LIST)),
  );
  router.post(
    '/files',
    serve((request) => upload(services, request)),
  );
  router.get(
    '/files/:identifier',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(JOB_FILE, items(request, 'fields')) ?? JOB_FILE.fields;
      return { status: 200, body: show(fields, await wanted(store, request)) };
    }),
  );
  router.get(
    '/files/:identifier/content',
    serve(async (request) => {
      checkQuery(request, []);
      return contentOf(store, await wanted(store, request));
    }),
  );
  router.delete(
    '/files/:identifier',
    serve(async (request) => {
      checkQuery(request, []);
      const identifier = param(request, 'identifier');
      if (!(await deleteJobFile(store.writer, request.caller, identifier))) throw notFound(identifier);
      return { status: 204 };
    }),
  );
}

/** Servers of jobs have no token: the key is secret, and the name only there for its ending. */
export function fileLinkRoutes(router: ApiRouter, { store }: Services): void {
  router.get(
    '/file_links/:key/:name',
    serve(async (request) => {
      checkQuery(request, []);
      const file = await findLinkedFile(store.reader, param(request, 'key'));
      if (file === undefined) throw new EngineError('NOT_FOUND', 'This link leads to no file; it may be deleted.');
      return contentOf(store, file);
    }),
  );
}

async function upload({ store, fileLimits }: Services, request: ApiRequest): Promise<Reply> {
  checkQuery(request, UPLOAD_PARAMETERS);
  const { caller } = request;
  const name = nameOf(request);
  const sha256 = hashParameter(request);
  const [size, offset] = [bytesParameter(request, 'size'), bytesParameter(request, 'offset') ?? 0];
  if (sha256 === null && (offset > 0 || size !== null))
    throw badRequest('size and offset need sha256: uploads in several requests are found by it.');
  if (sha256 !== null) {
    const known = await renameFile(store.writer, caller.projectId, sha256, name, Date.now());
    if (known !== undefined) return created(known);
  }
  const found = sha256 === null ? undefined : await findUpload(store.reader, caller, sha256);
  if (offset > (found?.received ?? 0)) throw goOnAt(found?.received ?? 0);
  await checkRoom(store.reader, caller, expectedBytes(request, size, offset, found?.received ?? 0), fileLimits);
  const begun = await openUpload(store.writer, caller, { name, sha256 }, Date.now());
  if (offset > begun.received) throw goOnAt(begun.received);
  const whole = await receive(store, request, begun, offset, (row, piece) =>
    appendPiece(store.writer, row, piece, fileLimits, Date.now()),
  );
  if (size !== null && whole.received < size) return created(partial(whole));
  return finish(store, whole, sha256, name, size);
}

async function finish(
  store: Store,
  whole: UploadRow,
  sha256: string | null,
  name: string,
  size: number | null,
): Promise<Reply> {
  const found = await hashOfPieces(store.reader, whole);
  if ((sha256 !== null && found !== sha256) || (size !== null && whole.received !== size)) {
    await dropUpload(store.writer, whole.id);
    throw badRequest(
      `The content has the SHA-256 ${found} and ${whole.received} bytes, which is not what was announced. Nothing of it was kept.`,
    );
  }
  const { file } = await finishUpload(store.writer, whole, found, name, Date.now());
  return created(file);
}

/** Stores the body in pieces, without what is there already. */
async function receive(
  store: Store,
  request: ApiRequest,
  begun: UploadRow,
  offset: number,
  append: (row: UploadRow, piece: Uint8Array) => Promise<UploadRow>,
): Promise<UploadRow> {
  let row = begun;
  let skip = begun.received - offset;
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (bytes === 0) return;
    row = await append(row, Buffer.concat(gathered));
    [gathered, bytes] = [[], 0];
  };
  try {
    for await (const chunk of request.bytes()) {
      const fresh = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      for (let at = 0; at < fresh.length; ) {
        const part = fresh.subarray(at, at + PIECE_BYTES - bytes);
        gathered.push(part);
        bytes += part.length;
        at += part.length;
        if (bytes === PIECE_BYTES) await flush();
      }
    }
    await flush();
    return row;
  } catch (error) {
    if (begun.sha256 === null) await dropUpload(store.writer, begun.id);
    else if (!(error instanceof EngineError && error.code === 'CONFLICT')) await flush().catch(() => {});
    throw error;
  }
}

/** Of what is still to be stored; 0 where nobody says. */
function expectedBytes(request: ApiRequest, size: number | null, offset: number, received: number): number {
  const length = Number(request.header('content-length') || 0);
  const end = Math.max(size ?? 0, Number.isSafeInteger(length) ? offset + length : 0);
  return Math.max(0, end - received);
}

async function wanted(store: Store, request: ApiRequest): Promise<JobFileRow> {
  const identifier = param(request, 'identifier');
  const file = await findJobFile(store.reader, request.caller, identifier);
  if (file !== undefined) return file;
  const sha256 = hashIn(identifier);
  const begun = sha256 === null ? undefined : await findUpload(store.reader, request.caller, sha256);
  if (begun === undefined) throw notFound(identifier);
  throw new ApiError(
    'NOT_FOUND',
    `Of the file ${identifier} only ${begun.received} bytes have arrived; go on with offset=${begun.received}.`,
    { 'Upload-Offset': String(begun.received) },
  );
}

function contentOf(store: Store, file: JobFileRow): Reply {
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(file.size),
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`,
      ETag: `"${file.sha256}"`,
      'X-Content-Type-Options': 'nosniff',
    },
    stream: (response) => writeContent(store, file, response),
  };
}

/** A failure on the way cuts the connection: the client sees that bytes are missing. */
async function writeContent(store: Store, file: JobFileRow, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    for await (const piece of readPieces(store.reader, file)) {
      if (gone.signal.aborted) return;
      if (!response.write(piece)) await once(response, 'drain', { signal: gone.signal });
    }
    response.end();
  } catch {
    response.destroy();
  }
}

function nameOf(request: ApiRequest): string {
  const name = request.query.get('name') ?? '';
  if (name === '') throw badRequest('Missing argument: "name"');
  // As it stands in lists and addresses that jobs are given.
  if (name.length > 255 || !/^[\w+-][\w.+-]*$/.test(name))
    throw invalidValue(
      'name',
      name,
      'It must be at most 255 letters, digits and . _ + -, without a dot at the beginning.',
    );
  return name;
}

function hashParameter(request: ApiRequest): string | null {
  const text = request.query.get('sha256') ?? '';
  const hash = text === '' ? null : hashIn(text);
  if (text !== '' && hash === null) throw invalidValue('sha256', text, 'It must be 64 hexadecimal digits.');
  return hash;
}

function bytesParameter(request: ApiRequest, name: string): number | null {
  const text = request.query.get(name) ?? '';
  if (text === '') return null;
  if (!/^\d{1,15}$/.test(text)) throw invalidValue(name, text, 'It must be a number of bytes.');
  return Number(text);
}

function partial({ id, project_id, name, sha256, received }: UploadRow): object {
  return { id, project_id, name, sha256, size: null, received };
}

function created(row: object): Reply {
  return { status: 201, body: show(JOB_FILE.fields, row) };
}

function goOnAt(received: number): ApiError {
  return new ApiError('CONFLICT', `${received} bytes of this content have arrived; go on with offset=${received}.`, {
    'Upload-Offset': String(received),
  });
}

function notFound(identifier: string): EngineError {
  return new EngineError('NOT_FOUND', `File not found [identifier=${identifier}]`);
}
