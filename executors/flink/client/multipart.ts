import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** A form with the one file part that Flink wants (spec/flink.md §1.4), streamed, with its length known beforehand. */
export async function multipartOf(
  file: string,
  name: string,
): Promise<{
  readonly contentType: string;
  readonly body: { readonly stream: AsyncIterable<Uint8Array>; readonly length: number };
}> {
  const boundary = `tramontane${randomBytes(16).toString('hex')}`;
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="jarfile"; filename="${name.replace(/["\r\n\\]/g, '_')}"\r\nContent-Type: application/x-java-archive\r\n\r\n`,
  );
  const foot = Buffer.from(`\r\n--${boundary}--\r\n`);
  const { size } = await stat(file);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: { stream: parts(head, file, foot), length: head.length + size + foot.length },
  };
}

async function* parts(head: Buffer, file: string, foot: Buffer): AsyncGenerator<Uint8Array> {
  yield head;
  yield* createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
  yield foot;
}
