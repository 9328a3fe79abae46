import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const PIECE_BYTES = 256 * 1024;

/** The SHA-256 of a file's content, in hex. */
export async function hashOfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  // One piece of memory for all of it: a stream would leave the whole file to the garbage collector.
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
