import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { EngineError } from '../errors.ts';
import type { DriverModule } from './drivers/index.ts';

export interface HeldFile {
  release(): Promise<void>;
}

/**
 * Makes this process the only server on a database file. The lock is one of the operating system, taken by SQLite on an empty
 * file beside the database: it ends with its process, however that dies, so there is no stale lock to judge by process ids
 * (which repeat after a restart, and in containers that share a volume). A second file tells people who holds it.
 *
 * @throws EngineError UNAVAILABLE naming the process that holds it.
 */
export async function holdFile(driver: DriverModule, path: string): Promise<HeldFile> {
  const lock = await driver.lockFile(`${path}.lock`);
  if (lock === null) {
    throw new EngineError(
      'UNAVAILABLE',
      `The database ${path} is in use by ${owner(path)}. Stop it first, or use another file.`,
    );
  }
  const note = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    writeFileSync(noteOf(path), `${JSON.stringify(note)}\n`);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return {
    release: async () => {
      rmSync(noteOf(path), { force: true });
      await lock.release();
    },
  };
}

function owner(path: string): string {
  try {
    const note: unknown = JSON.parse(readFileSync(noteOf(path), 'utf8'));
    const { pid, host, since } = note as { pid: unknown; host: unknown; since: unknown };
    return `process ${String(pid)} on ${String(host)} since ${String(since)}`;
  } catch {
    // The holder has the lock but has not written its name yet.
    return 'another process';
  }
}

function noteOf(path: string): string {
  return `${path}.owner`;
}
