import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { TramontaneError } from '../../dsl/errors.ts';
import { findJobFile, readPieces, touchJobFile, type JobFileRow } from '../../engine/store/job-files.ts';
import { makeFolder } from '../../processes/folders.ts';
import { SharedWork } from '../flink/shared-work.ts';

/** A file of `POST /v2/files` as workflows name it: `sha256:<64 hex digits>/<name>`. */
export interface FileReference {
  readonly sha256: string;
  readonly name: string;
  /** What Spark is told beside an archive: `#environment`. */
  readonly fragment: string;
}

/** null for anything else, such as a path. */
export function toFileReference(text: string): FileReference | null {
  const [, sha256, name, fragment = ''] = /^sha256:([0-9a-f]{64})\/([\w+-][\w.+-]*)(#[\w.+-]+)?$/i.exec(text) ?? [];
  return sha256 === undefined || name === undefined ? null : { sha256: sha256.toLowerCase(), name, fragment };
}

/** A file that cannot be had; its message is for the author of the workflow. */
export class JobFileError extends TramontaneError {
  override readonly name = 'JobFileError';

  constructor(message: string) {
    super('FILE_UNUSABLE', message);
  }
}

export interface JobFilesOptions {
  readonly reader: Knex;
  readonly writer: Knex;
  /** This host's copies. */
  readonly folder: string;
  /** Where servers of jobs reach the API; null: they cannot. */
  readonly url: string | null;
}

/**
 * Brings uploaded files to where jobs need them: as a copy on this host, which is made once for each content, or as a link for servers that
 * run jobs elsewhere. Only files of the job's own project.
 */
export class JobFiles {
  private readonly options: JobFilesOptions;
  private readonly copies = new SharedWork<string>();

  constructor(options: JobFilesOptions) {
    this.options = options;
  }

  /** Where the copy on this host is, or will be. */
  pathOf({ sha256, name, fragment }: FileReference): string {
    return join(this.options.folder, sha256, name) + fragment;
  }

  /** The path of a copy that is there; null for a text that names no uploaded file. @throws JobFileError */
  async bring(projectId: string, text: string, signal: AbortSignal): Promise<string | null> {
    const reference = toFileReference(text);
    if (reference === null) return null;
    await this.copy(projectId, reference, signal);
    return this.pathOf(reference);
  }

  /** Makes the copy unless it is there. @throws JobFileError */
  async copy(projectId: string, reference: FileReference, signal: AbortSignal): Promise<void> {
    const row = await this.find(projectId, reference);
    const path = join(this.options.folder, reference.sha256, reference.name);
    if (await isWhole(path, row.size)) return noteUse(join(this.options.folder, reference.sha256));
    await this.copies.join(path, signal, (stop) => this.make(row, path, stop));
  }

  /** An address that anybody can read the content at who knows it. @throws JobFileError */
  async linkTo(projectId: string, reference: FileReference): Promise<string> {
    const { url } = this.options;
    if (url === null) {
      throw new JobFileError(
        `The server that runs the job must be able to fetch ${reference.name}: set files.url in the configuration to the address at which it reaches this API.`,
      );
    }
    const row = await this.find(projectId, reference);
    return `${url.replace(/\/+$/, '')}/file_links/${row.link_key}/${reference.name}${reference.fragment}`;
  }

  private async find(projectId: string, { sha256, name }: FileReference): Promise<JobFileRow> {
    const row = await findJobFile(this.options.reader, { projectId }, sha256);
    if (row === undefined) {
      throw new JobFileError(
        `This project has no file sha256:${sha256} (${name}): upload it with POST /v2/files or tramontane file upload.`,
      );
    }
    await touchJobFile(this.options.writer, row, Date.now());
    return row;
  }

  /** Under a name of its own until it is whole and proven, so that a crash or a full disk leaves nothing that looks like a copy. */
  private async make(row: JobFileRow, path: string, signal: AbortSignal): Promise<string> {
    const { folder } = this.options;
    await sweep(folder);
    const own = join(folder, row.sha256);
    makeFolder(own, 0o700);
    const part = join(folder, `${randomUUID()}.part`);
    try {
      const hash = createHash('sha256');
      const handle = await open(part, 'wx', 0o600);
      try {
        for await (const piece of readPieces(this.options.reader, row)) {
          signal.throwIfAborted();
          hash.update(piece);
          await handle.writeFile(piece);
        }
      } finally {
        await handle.close();
      }
      if (hash.digest('hex') !== row.sha256)
        throw new Error(`The content of ${row.sha256} is damaged in the database.`);
      await rename(part, path);
      return path;
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }
}

/** Longer than jobs read their files for. */
const UNUSED_MS = 30 * 24 * 3_600_000;

async function noteUse(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now).catch(() => {});
}

async function isWhole(path: string, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && found.size === size;
}

/** Copies that no job has been given for a month, and parts that a killed process has left. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!/^(?:[0-9a-f]{64}|[0-9a-f-]{36}\.part)$/.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > UNUSED_MS) {
      await rm(path, { recursive: true, force: true }).catch(() => {});
    }
  }
}
