import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { TramontaneError } from '../../dsl/errors.ts';
import { passingStatus, withRetry, type HttpClient, type HttpResponse } from '../http-client.ts';
import type { FlinkClient } from './client/client.ts';
import type { FlinkOptions } from './servers.ts';

/** A jar on the cluster. */
export interface StagedJar {
  readonly jarId: string;
  readonly hash: string | null;
  readonly uploaded: boolean;
}

/** A jar that cannot be had; its message is for the author of the workflow. */
export class JarError extends TramontaneError {
  override readonly name = 'JarError';

  constructor(message: string) {
    super('FLINK_JAR_UNUSABLE', message);
  }
}

/**
 * Brings jars onto clusters, each content once (spec/flink.md §3.5): an upload carries the content's hash in its name and is found again
 * by it. Ids are remembered and trusted until a run says that the jar is gone.
 */
export class JarStore {
  private readonly known = new Map<string, string>();
  private readonly uploads = new Map<string, Promise<StagedJar>>();
  private readonly options: FlinkOptions;
  private readonly http: HttpClient;

  /** `http` fetches jars from addresses that users give. */
  constructor(options: FlinkOptions, http: HttpClient) {
    this.options = options;
    this.http = http;
  }

  async stage(client: FlinkClient, input: JsonObject, signal: AbortSignal): Promise<StagedJar> {
    const { jar, sha256 } = input;
    if (isJsonObject(jar))
      return { jarId: typeof jar.jar_id === 'string' ? jar.jar_id : '', hash: null, uploaded: false };
    const source = typeof jar === 'string' ? jar : '';
    const wanted = typeof sha256 === 'string' ? sha256.toLowerCase() : null;
    if (!/^https?:\/\//i.test(source))
      return this.stageFile(client, this.checkedPath(source), basename(source), wanted, signal);
    const file = await this.fetch(source, signal);
    try {
      return await this.stageFile(client, file, basename(new URL(source).pathname), wanted, signal);
    } finally {
      await rm(file, { force: true });
    }
  }

  /** The server has lost it. */
  forget(client: FlinkClient, hash: string | null): void {
    if (hash !== null) this.known.delete(`${client.url} ${hash}`);
  }

  /** The same, where only the id is known. */
  forgetId(client: FlinkClient, jarId: string | null): void {
    for (const [key, id] of this.known) if (id === jarId && key.startsWith(`${client.url} `)) this.known.delete(key);
  }

  private async stageFile(
    client: FlinkClient,
    file: string,
    name: string,
    wanted: string | null,
    signal: AbortSignal,
  ): Promise<StagedJar> {
    const hash = await hashOf(file);
    if (wanted !== null && hash !== wanted)
      throw new JarError(`The jar ${name} has the SHA-256 ${hash}, not ${wanted}.`);
    const key = `${client.url} ${hash}`;
    const jarId = this.known.get(key);
    if (jarId !== undefined) return { jarId, hash, uploaded: false };
    // Many tasks that start together upload one jar once.
    const upload =
      this.uploads.get(key) ??
      this.findOrUpload(client, file, `${stemOf(name)}--${hash.slice(0, 16)}.jar`, hash, signal);
    this.uploads.set(key, upload);
    try {
      const staged = await upload;
      this.known.set(key, staged.jarId);
      return staged;
    } finally {
      this.uploads.delete(key);
    }
  }

  private async findOrUpload(
    client: FlinkClient,
    file: string,
    name: string,
    hash: string,
    signal: AbortSignal,
  ): Promise<StagedJar> {
    const found = (await client.jars.all({ signal })).find((jar) => jar.name === name);
    if (found !== undefined) return { jarId: found.id, hash, uploaded: false };
    return { jarId: await client.jars.upload(file, { name, signal }), hash, uploaded: true };
  }

  private checkedPath(source: string): string {
    const path = source.startsWith('file:') ? new URL(source).pathname : source;
    const roots = this.options.jarRoots ?? null;
    if (roots !== null && !roots.some((root) => resolve(path).startsWith(resolve(root) + sep))) {
      throw new JarError(`jar ${path} lies outside the allowed folders ${roots.join(', ')}.`);
    }
    return path;
  }

  private async download(url: string, file: string, maxBytes: number, signal: AbortSignal): Promise<HttpResponse> {
    const request = { method: 'GET', url, timeoutMs: 600_000, signal, followRedirects: true, maxBytes, saveTo: file };
    return passingStatus(await this.http.exchange(request));
  }

  private async fetch(url: string, signal: AbortSignal): Promise<string> {
    await mkdir(this.options.jarsFolder, { recursive: true });
    const file = join(this.options.jarsFolder, `${randomUUID()}.jar`);
    const maxBytes = this.options.largestJarBytes ?? LARGEST_JAR_BYTES;
    try {
      const answer = await withRetry(() => this.download(url, file, maxBytes, signal), { forMs: 60_000, signal });
      if (answer.status === 200) return file;
      throw new JarError(`The jar ${url} cannot be fetched: status ${answer.status} ${answer.reason}.`);
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  }
}

const PIECE_BYTES = 256 * 1024;
const LARGEST_JAR_BYTES = 1024 * 1024 * 1024;

async function hashOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => null);
  if (found === null || !found.isFile()) throw new JarError(`There is no jar ${file} on the executor's host.`);
  const hash = createHash('sha256');
  // One piece of memory for all of it: a stream would leave the whole jar to the garbage collector.
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const handle = await open(file);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, piece.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

function stemOf(name: string): string {
  return (
    name
      .replace(/\.jar$/i, '')
      .replace(/[^\w.-]/g, '_')
      .slice(0, 100) || 'job'
  );
}
