import { stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { hashOfFile } from '../files/file-hash.ts';

/** A file's content, and what shows that it has been changed since. */
export interface HashedFile {
  /** SHA-256 in hex. */
  readonly hash: string;
  readonly identity: string;
}

/** A file that has not changed since is not read again: a jar may be large, and many tasks run it. */
export class FileHashes {
  private readonly known = new Map<string, HashedFile>();

  /** null when there is no such file. */
  async of(file: string): Promise<HashedFile | null> {
    const found = await look(file);
    if (found === null) return null;
    const { identity } = found;
    const known = this.known.get(file);
    if (known?.identity === identity) return known;
    const hashed = { hash: await hashOfFile(file), identity };
    if (this.known.size >= MOST_FILES) this.known.clear();
    // What was written a moment ago may be written again without that its times show it.
    if (Date.now() - found.changedMs > QUIET_MS && (await this.isSame(file, identity))) this.known.set(file, hashed);
    return hashed;
  }

  async isSame(file: string, identity: string): Promise<boolean> {
    return (await look(file))?.identity === identity;
  }
}

const MOST_FILES = 1000;
const QUIET_MS = 5000;

async function look(file: string): Promise<{ readonly identity: string; readonly changedMs: number } | null> {
  const found: BigIntStats | null = await stat(file, { bigint: true }).catch(() => null);
  if (found === null || !found.isFile()) return null;
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  return { identity: [dev, ino, size, mtimeNs, ctimeNs].join(' '), changedMs: Number(found.ctimeMs) };
}
