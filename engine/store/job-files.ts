import { createHash, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import { newId } from '../ids.ts';
import { isUniqueViolation } from './database-errors.ts';

/**
 * Files that jobs need: content by its SHA-256, each project's own. The content stands in the database, in pieces of one
 * transaction each, so that every node has it, an upload goes on where it broke off, and the engine's writes get in between.
 */
export interface JobFileRow {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  /** In hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Whoever knows it may read the content: for servers of jobs, which have no token. */
  readonly link_key: string;
  readonly created_at: number;
  /** When it was last uploaded or wanted by a job, to the hour. */
  readonly used_at: number;
}

/** Content that has not come as a whole yet. */
export interface UploadRow {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  /** null: not told in advance, so nobody can go on with it. */
  readonly sha256: string | null;
  /** Bytes that are there. */
  readonly received: number;
  readonly pieces: number;
}

/** Whose files they are. */
interface Owner {
  readonly projectId: string;
  readonly isAdmin?: boolean;
}

/** Limits in bytes. */
export interface JobFileLimits {
  /** All files of a project together, begun uploads included. */
  readonly quota: number;
  readonly largest: number;
}

/** Pieces that {@link appendPiece} is given should have this size: a transaction of a few milliseconds. */
export const PIECE_BYTES = 512 * 1024;

/** What is there already of this content, or a new upload without any. `sha256` null: always a new one. */
export async function openUpload(
  writer: Knex,
  caller: Owner,
  file: { readonly name: string; readonly sha256: string | null },
  now: number,
): Promise<UploadRow> {
  const key = { project_id: caller.projectId, sha256: file.sha256 };
  for (;;) {
    const begun = file.sha256 === null ? undefined : await findUpload(writer, caller, file.sha256);
    if (begun !== undefined) return begun;
    const row: UploadRow = { id: newId(), ...key, name: file.name, received: 0, pieces: 0 };
    try {
      await writer('job_file_uploads').insert({ ...row, created_at: now, updated_at: now });
      return row;
    } catch (error) {
      // Somebody else has begun it just now.
      if (!isUniqueViolation(error)) throw error;
    }
  }
}

export function findUpload(knex: Knex, caller: Owner, sha256: string): Promise<UploadRow | undefined> {
  return knex('job_file_uploads').where({ project_id: caller.projectId, sha256 }).first(UPLOAD_COLUMNS);
}

/** @throws EngineError CONFLICT when another request has gone on with it; NOT_ALLOWED beyond a limit. */
export async function appendPiece(
  writer: Knex,
  upload: UploadRow,
  piece: Uint8Array,
  limits: JobFileLimits,
  now: number,
): Promise<UploadRow> {
  const next: UploadRow = { ...upload, received: upload.received + piece.length, pieces: upload.pieces + 1 };
  if (next.received > limits.largest) throw tooLarge(limits);
  await writer.transaction(async (trx) => {
    const { id, received, pieces } = upload;
    const claimed = await trx('job_file_uploads')
      .where({ id, received, pieces })
      .update({ received: next.received, pieces: next.pieces, updated_at: now });
    if (claimed === 0) throw new EngineError('CONFLICT', 'Another request uploads the same content at this moment.');
    if ((await bytesOf(trx, upload.project_id)) > limits.quota) throw overQuota(limits);
    await trx('job_file_chunks').insert({ file_id: id, seq: pieces, body: Buffer.from(piece) });
  });
  return next;
}

/** Whether so many more bytes fit. @throws EngineError NOT_ALLOWED */
export async function checkRoom(knex: Knex, caller: Owner, more: number, limits: JobFileLimits): Promise<void> {
  if (more > limits.largest) throw tooLarge(limits);
  if ((await bytesOf(knex, caller.projectId)) + more > limits.quota) throw overQuota(limits);
}

/** The SHA-256 of what is there, read back from the database. */
export async function hashOfPieces(reader: Knex, upload: UploadRow): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of readPieces(reader, { id: upload.id, size: upload.received })) hash.update(piece);
  return hash.digest('hex');
}

/** Makes a file of a whole upload. A file with this content that the project has already stays, under the new name. */
export async function finishUpload(
  writer: Knex,
  upload: UploadRow,
  sha256: string,
  name: string,
  now: number,
): Promise<{ readonly file: JobFileRow; readonly isNew: boolean }> {
  const { id, project_id, received } = upload;
  const row: JobFileRow = {
    id,
    project_id,
    name,
    sha256,
    size: received,
    link_key: randomBytes(24).toString('base64url'),
    created_at: now,
    used_at: now,
  };
  try {
    await writer.transaction(async (trx) => {
      const claimed = await trx('job_file_uploads').where({ id, received }).delete();
      if (claimed === 0) throw new EngineError('CONFLICT', 'Another request uploads the same content at this moment.');
      await trx('job_files').insert(row);
    });
    return { file: row, isNew: true };
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
  }
  const known = await renameFile(writer, project_id, sha256, name, now);
  // Deleted between the two: the upload is still there.
  if (known === undefined) return finishUpload(writer, upload, sha256, name, now);
  await dropUpload(writer, id);
  return { file: known, isNew: false };
}

/** The file with this content under a new name, counted as used now; undefined when the project has none. */
export async function renameFile(
  writer: Knex,
  projectId: string,
  sha256: string,
  name: string,
  now: number,
): Promise<JobFileRow | undefined> {
  const [row]: JobFileRow[] = await writer('job_files')
    .where({ project_id: projectId, sha256 })
    .update({ name, used_at: now })
    .returning(FILE_COLUMNS);
  return row === undefined ? undefined : toFile(row);
}

/** By `sha256:…` or the bare hash, of the owner's project alone; by the id administrators find any. */
export async function findJobFile(knex: Knex, caller: Owner, identifier: string): Promise<JobFileRow | undefined> {
  const sha256 = hashIn(identifier);
  const own = { project_id: caller.projectId };
  const key = sha256 === null ? { id: identifier, ...(caller.isAdmin === true ? {} : own) } : { sha256, ...own };
  const row: JobFileRow | undefined = await knex('job_files').where(key).first(FILE_COLUMNS);
  return row === undefined ? undefined : toFile(row);
}

/** By the secret of its link. */
export async function findLinkedFile(knex: Knex, linkKey: string): Promise<JobFileRow | undefined> {
  const row: JobFileRow | undefined = await knex('job_files').where('link_key', linkKey).first(FILE_COLUMNS);
  return row === undefined ? undefined : toFile(row);
}

/** Notes that a job wants it, at most once an hour. */
export async function touchJobFile(writer: Knex, file: JobFileRow, now: number): Promise<void> {
  if (now - file.used_at < HOUR) return;
  await writer('job_files').where('id', file.id).update({ used_at: now });
}

/** Deletes a file, or what there is of an upload of this content. Answers whether there was any. */
export async function deleteJobFile(writer: Knex, caller: Owner, identifier: string): Promise<boolean> {
  const file = await findJobFile(writer, caller, identifier);
  const sha256 = hashIn(identifier);
  const upload = sha256 === null ? undefined : await findUpload(writer, caller, sha256);
  if (file !== undefined) {
    await writer('job_files').where('id', file.id).delete();
    await deletePieces(writer, file.id);
  }
  if (upload !== undefined) await dropUpload(writer, upload.id);
  return file !== undefined || upload !== undefined;
}

export async function dropUpload(writer: Knex, id: string): Promise<void> {
  await writer('job_file_uploads').where('id', id).delete();
  await deletePieces(writer, id);
}

/** The content piece by piece. @throws EngineError NOT_FOUND when it is deleted meanwhile. */
export async function* readPieces(
  reader: Knex,
  file: { readonly id: string; readonly size: number },
): AsyncGenerator<Uint8Array> {
  let left = file.size;
  for (let seq = 0; left > 0; seq++) {
    const row: { body: Uint8Array | ArrayBuffer } | undefined = await reader('job_file_chunks')
      .where({ file_id: file.id, seq })
      .first('body');
    if (row === undefined) throw new EngineError('NOT_FOUND', 'The file was deleted while it was read.');
    // libsql gives the bare buffer.
    const body = row.body instanceof ArrayBuffer ? new Uint8Array(row.body) : row.body;
    left -= body.length;
    yield body;
  }
}

/**
 * Deletes uploads that nobody has gone on with since `abandoned`, files that nothing has wanted since `unused` (null: none), and
 * pieces that a crash left of deleted ones. Answers how many files and uploads went.
 */
export async function sweepJobFiles(writer: Knex, abandoned: number, unused: number | null): Promise<number> {
  const uploads: { id: string }[] = await writer('job_file_uploads').where('updated_at', '<', abandoned).select('id');
  for (const { id } of uploads) {
    // Somebody may go on with it at this very moment.
    const gone = await writer('job_file_uploads').where('id', id).where('updated_at', '<', abandoned).delete();
    if (gone > 0) await deletePieces(writer, id);
  }
  const files: { id: string }[] =
    unused === null ? [] : await writer('job_files').where('used_at', '<', unused).select('id');
  for (const { id } of files) {
    const gone = await writer('job_files').where('id', id).where('used_at', '<', unused).delete();
    if (gone > 0) await deletePieces(writer, id);
  }
  const orphans: { file_id: string }[] = await writer('job_file_chunks as c')
    .where('c.seq', 0)
    .whereNotExists((query) => query.from('job_files as f').whereRaw('f.id = c.file_id').select(writer.raw('1')))
    .whereNotExists((query) => query.from('job_file_uploads as u').whereRaw('u.id = c.file_id').select(writer.raw('1')))
    .select('c.file_id');
  for (const { file_id } of orphans) await deletePieces(writer, file_id);
  return uploads.length + files.length;
}

/** `sha256:…`, with or without `/name`, or a bare hash; null: something else. */
export function hashIn(text: string): string | null {
  return /^(?:sha256:)?([0-9a-f]{64})(?:\/[^/]*)?$/i.exec(text)?.[1]?.toLowerCase() ?? null;
}

const HOUR = 3_600_000;
const FILE_COLUMNS = ['id', 'project_id', 'name', 'sha256', 'size', 'link_key', 'created_at', 'used_at'];
const UPLOAD_COLUMNS = ['id', 'project_id', 'name', 'sha256', 'received', 'pieces'];
// A transaction of a few milliseconds.
const PIECES_AT_ONCE = 16;

/** The last ones first: as long as the first one is there, the sweep finds what a crash left. */
async function deletePieces(writer: Knex, id: string): Promise<void> {
  const last: { seq: number } | undefined = await writer('job_file_chunks')
    .where('file_id', id)
    .orderBy('seq', 'desc')
    .first('seq');
  if (last === undefined) return;
  for (let end = last.seq; end >= 0; end -= PIECES_AT_ONCE) {
    await writer('job_file_chunks')
      .where('file_id', id)
      .where('seq', '>', end - PIECES_AT_ONCE)
      .delete();
  }
}

async function bytesOf(knex: Knex, projectId: string): Promise<number> {
  const [files, uploads] = [
    await knex('job_files').where('project_id', projectId).sum({ bytes: 'size' }).first(),
    await knex('job_file_uploads').where('project_id', projectId).sum({ bytes: 'received' }).first(),
  ] as const;
  return Number(files?.['bytes'] ?? 0) + Number(uploads?.['bytes'] ?? 0);
}

/** PostgreSQL's driver may give sums and large numbers as text; these are within what a number holds. */
function toFile(row: JobFileRow): JobFileRow {
  return {
    ...row,
    size: Number(row.size),
    created_at: Number(row.created_at),
    used_at: Number(row.used_at),
  };
}

function tooLarge(limits: JobFileLimits): EngineError {
  return new EngineError(
    'NOT_ALLOWED',
    `The file is larger than ${limits.largest} bytes, which is the limit (files.largest_mb).`,
  );
}

function overQuota(limits: JobFileLimits): EngineError {
  return new EngineError(
    'NOT_ALLOWED',
    `The files of this project would be larger than ${limits.quota} bytes together, which is the limit (files.quota_mb). Delete some first.`,
  );
}
