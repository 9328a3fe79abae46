import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

export type FormPart =
  | { readonly field: string; readonly file: string; readonly name: string; readonly type: string }
  | { readonly field: string; readonly text: string; readonly type: string };

/** A form whose files are streamed, with its length known beforehand: a jar of any size costs no memory. */
export async function multipartOf(parts: readonly FormPart[]): Promise<{
  readonly contentType: string;
  readonly body: { readonly stream: AsyncIterable<Uint8Array>; readonly length: number };
}> {
  const boundary = `tramontane${randomBytes(16).toString('hex')}`;
  const foot = Buffer.from(`--${boundary}--\r\n`);
  const pieces: { readonly head: Buffer; readonly part: FormPart; readonly size: number }[] = [];
  for (const part of parts) {
    const name = 'file' in part ? `; filename="${part.name.replace(/["\r\n\\]/g, '_')}"` : '';
    const head = Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${part.field}"${name}\r\nContent-Type: ${part.type}\r\n\r\n`,
    );
    pieces.push({ head, part, size: 'file' in part ? (await stat(part.file)).size : Buffer.byteLength(part.text) });
  }
  const length = pieces.reduce((sum, { head, size }) => sum + head.length + size + END.length, foot.length);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: { stream: streamOf(pieces, foot), length },
  };
}

async function* streamOf(
  pieces: readonly { readonly head: Buffer; readonly part: FormPart }[],
  foot: Buffer,
): AsyncGenerator<Uint8Array> {
  for (const { head, part } of pieces) {
    yield head;
    if ('file' in part) yield* createReadStream(part.file, { highWaterMark: 64 * 1024 }) as AsyncIterable<Buffer>;
    else yield Buffer.from(part.text);
    yield END;
  }
  yield foot;
}

const END = Buffer.from('\r\n');
