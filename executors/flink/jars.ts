import { randomUUID } from 'node:crypto';
import { readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { TramontaneError } from '../../dsl/errors.ts';
import { makeFolder } from '../../processes/folders.ts';
import { passingStatus, RemoteError, withRetry, type HttpClient, type HttpResponse } from '../http-client.ts';
import type { FlinkClient } from './client/client.ts';
import { FlinkApiError } from './client/errors.ts';
import { FileHashes, type HashedFile } from './file-hashes.ts';
import type { FlinkOptions } from './servers.ts';
import { SharedWork } from './shared-work.ts';

/** A jar on the cluster. */
export interface StagedJar {
  readonly jarId: string;
  readonly hash: string | null;
  /** By this very call: nobody else takes it for one of their own. */
  readonly uploaded: boolean;
}

/** A jar that cannot be had; its message is for the author of the workflow. */
export class JarError extends TramontaneError {
  override readonly name = 'JarError';
  /** Its server may give it later. */
  readonly passes: boolean;

  constructor(message: string, options: { readonly passes?: boolean; readonly cause?: unknown } = {}) {
    super('FLINK_JAR_UNUSABLE', message, { cause: options.cause });
    this.passes = options.passes ?? false;
  }
}

/**
 * Brings jars onto clusters, each content once (spec/flink.md §3.5): an upload carries the content's hash in its name and is found again
 * by it. Ids are remembered and trusted until a run says that the jar is gone.
 */
export class JarStore {
  private readonly known = new Map<string, string>();
  /** Ids that a run did not find: behind a load balancer another JobManager may still list them. */
  private readonly gone = new Set<string>();
  private readonly uploads = new SharedWork<StagedJar>();
  private readonly hashes = new FileHashes();
  private readonly options: FlinkOptions;
  private readonly http: HttpClient;
  private swept: Promise<void> | null = null;

  /** `http` fetches jars from addresses that users give. */
  constructor(options: FlinkOptions, http: HttpClient) {
    this.options = options;
    this.http = http;
  }

  /**
   * `projectId`: of a caller whose input may name an uploaded file, which is brought to this host when it is wanted. `mark`: of a caller that deletes its jar once its job runs. What it uploads carries the mark in its name, so that nobody else starts a job
   * from it, and is found again as its own when the record of the upload was lost.
   */
  async stage(
    client: FlinkClient,
    input: JsonObject,
    signal: AbortSignal,
    { mark = null, projectId = null }: { readonly mark?: string | null; readonly projectId?: string | null } = {},
  ): Promise<StagedJar> {
    const { jar, sha256 } = input;
    if (isJsonObject(jar))
      return { jarId: typeof jar.jar_id === 'string' ? jar.jar_id : '', hash: null, uploaded: false };
    const text = typeof jar === 'string' ? jar : '';
    const source = projectId === null ? text : ((await this.uploaded(projectId, text, signal)) ?? text);
    const wanted = typeof sha256 === 'string' ? sha256.toLowerCase() : null;
    if (!/^https?:\/\//i.test(source)) {
      const path = await this.checkedPath(source);
      return this.stageFile(client, path, basename(path), wanted, signal, mark);
    }
    const file = await this.fetch(source, signal);
    try {
      return await this.stageFile(client, file, basename(new URL(source).pathname), wanted, signal, mark);
    } finally {
      await rm(file, { force: true });
    }
  }

  /** A run has not found it; without a hash only its id is known. It is uploaded anew. */
  lost(client: FlinkClient, hash: string | null, jarId: string | null): void {
    this.forget(client, hash, jarId);
    if (jarId === null) return;
    if (this.gone.size >= MOST_REMEMBERED) this.gone.clear();
    this.gone.add(`${client.url} ${jarId}`);
  }

  /** Deletes it from the cluster; that it is gone already is as good. */
  async remove(client: FlinkClient, jarId: string, signal: AbortSignal): Promise<void> {
    this.forget(client, null, jarId);
    await client.jars.delete(jarId, { signal }).catch((error: unknown) => {
      if (!(error instanceof FlinkApiError) || error.code !== 'FLINK_JAR_NOT_FOUND') throw error;
    });
  }

  /** Deletes what was uploaded under this mark, whatever the records say of it. */
  async removeMarked(client: FlinkClient, mark: string, signal: AbortSignal): Promise<void> {
    for (const jar of await client.jars.all({ signal }))
      if (jar.name.endsWith(markOf(mark))) await this.remove(client, jar.id, signal);
  }

  private forget(client: FlinkClient, hash: string | null, jarId: string | null): void {
    if (hash !== null) this.known.delete(`${client.url} ${hash}`);
    for (const [key, id] of this.known) if (id === jarId && key.startsWith(`${client.url} `)) this.known.delete(key);
  }

  private async stageFile(
    client: FlinkClient,
    file: string,
    name: string,
    wanted: string | null,
    signal: AbortSignal,
    mark: string | null,
  ): Promise<StagedJar> {
    for (let tries = 1; ; tries++) {
      const { hash, identity } = await this.hashOf(file);
      if (wanted !== null && hash !== wanted)
        throw new JarError(`The jar ${name} has the SHA-256 ${hash}, not ${wanted}.`);
      const key = `${client.url} ${hash}`;
      const jarId = this.known.get(key);
      if (jarId !== undefined) return { jarId, hash, uploaded: false };
      const wireName = `${stemOf(name)}--${hash.slice(0, 16)}`;
      // Many tasks that start together upload one jar once.
      const { value, isOwn } = await this.uploads.join(`${key} ${mark ?? ''}`, signal, (shared) =>
        this.findOrUpload(client, file, wireName, hash, mark, shared),
      );
      // Replaced meanwhile, and so perhaps sent under a name that is not its own.
      if (value.uploaded && isOwn && !(await this.hashes.isSame(file, identity))) {
        await this.remove(client, value.jarId, signal);
        if (tries < MOST_TRIES) continue;
        throw new JarError(`The jar ${name} is being written while it is uploaded.`);
      }
      const uploaded = value.uploaded && isOwn;
      if (mark !== null && uploaded) return value;
      if (this.known.size >= MOST_REMEMBERED) this.known.clear();
      this.known.set(key, value.jarId);
      return { ...value, uploaded };
    }
  }

  private async findOrUpload(
    client: FlinkClient,
    file: string,
    name: string,
    hash: string,
    mark: string | null,
    signal: AbortSignal,
  ): Promise<StagedJar> {
    const ownName = mark === null ? null : `${name}${markOf(mark)}`;
    const found = (await client.jars.all({ signal }))
      .filter((jar) => !this.gone.has(`${client.url} ${jar.id}`))
      .toSorted((a, b) => b.uploaded - a.uploaded);
    const own = found.find((jar) => jar.name === ownName);
    if (own !== undefined) return { jarId: own.id, hash, uploaded: true };
    const kept = found.find((jar) => jar.name === `${name}.jar`);
    if (kept !== undefined) return { jarId: kept.id, hash, uploaded: false };
    return { jarId: await client.jars.upload(file, { name: ownName ?? `${name}.jar`, signal }), hash, uploaded: true };
  }

  private async hashOf(file: string): Promise<HashedFile> {
    const hashed = await this.hashes.of(file);
    if (hashed === null) throw new JarError(`There is no jar ${file} on the executor's host.`);
    return hashed;
  }

  /** The file itself: a link out of the allowed folders leads out of them. */
  private async uploaded(projectId: string, text: string, signal: AbortSignal): Promise<string | null> {
    try {
      return (await this.options.uploadedFile?.(projectId, text, signal)) ?? null;
    } catch (error) {
      if (error instanceof TramontaneError && error.code === 'FILE_UNUSABLE') throw new JarError(error.message);
      throw error;
    }
  }

  private async checkedPath(source: string): Promise<string> {
    const path = source.startsWith('file:') ? pathOf(source) : source;
    const roots = this.options.jarRoots ?? null;
    if (roots === null) return path;
    const real = await realpath(path).catch(() => path);
    for (const root of roots) if (isWithin(await realpath(root).catch(() => root), real)) return real;
    throw new JarError(`jar ${path} lies outside the allowed folders ${roots.join(', ')}.`);
  }

  private async download(url: string, file: string, maxBytes: number, signal: AbortSignal): Promise<HttpResponse> {
    const request = { method: 'GET', url, timeoutMs: 600_000, signal, followRedirects: true, maxBytes, saveTo: file };
    return passingStatus(await this.http.exchange(request));
  }

  private async fetch(url: string, signal: AbortSignal): Promise<string> {
    const folder = this.options.jarsFolder;
    makeFolder(folder);
    await (this.swept ??= sweep(folder));
    const file = join(folder, `${randomUUID()}.jar`);
    const maxBytes = this.options.largestJarBytes ?? LARGEST_JAR_BYTES;
    try {
      const answer = await withRetry(() => this.download(url, file, maxBytes, signal), { forMs: 60_000, signal });
      if (answer.status === 200) return file;
      throw new JarError(`The jar ${shown(url)} cannot be fetched: status ${answer.status} ${answer.reason}.`);
    } catch (error) {
      await rm(file, { force: true });
      // Not to be taken for a fault of the cluster.
      if (!(error instanceof RemoteError) || error.fault === 'aborted') throw error;
      const passes = !['bad-url', 'blocked', 'tls', 'too-large'].includes(error.fault);
      throw new JarError(`The jar ${shown(url)} cannot be fetched: ${error.message}`, { passes, cause: error });
    }
  }
}

const LARGEST_JAR_BYTES = 1024 * 1024 * 1024;
const MOST_REMEMBERED = 10_000;
const MOST_TRIES = 3;

/** What a process that was killed has left behind. Others may share the folder: what is young may be theirs. */
async function sweep(folder: string): Promise<void> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^[0-9a-f-]{36}\.jar$/.test(name));
  for (const name of names) {
    const file = join(folder, name);
    const found = await stat(file).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > 24 * 3_600_000) await rm(file, { force: true }).catch(() => {});
  }
}

/** Passwords and signatures in addresses are nobody's business but the server's. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw new JarError(`jar ${url} is no address of a file on this host; it should look like file:///srv/jobs/a.jar.`);
  }
}

function isWithin(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !/^\.\.[/\\]/.test(way) && !isAbsolute(way);
}

function markOf(mark: string): string {
  return `.${mark}.jar`;
}

function stemOf(name: string): string {
  return (
    name
      .replace(/\.jar$/i, '')
      .replace(/[^\w.-]/g, '_')
      .slice(0, 100) || 'job'
  );
}
