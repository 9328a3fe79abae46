import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { appendPiece, finishUpload, openUpload } from '../../../engine/store/job-files.ts';

/** Of actions that `runContext` describes. */
export const PROJECT = '<default-project>';

/** What POST /v2/files does with a small file; answers how a workflow names it. */
export async function uploadFile(
  store: { readonly writer: Knex },
  name: string,
  content: string | Buffer,
  projectId = PROJECT,
): Promise<string> {
  const limits = { quota: 1e9, largest: 1e9 };
  const begun = await openUpload(store.writer, { projectId }, { name, sha256: null }, 1);
  const whole = await appendPiece(store.writer, begun, Buffer.from(content), limits, 1);
  const sha256 = createHash('sha256').update(content).digest('hex');
  await finishUpload(store.writer, whole, sha256, name, Date.now());
  return `sha256:${sha256}/${name}`;
}
