import { join } from 'node:path';
import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import { runName, type SparkOptions } from '../plan.ts';
import { readSettings, sessionsFolder } from './session-folder.ts';

/** How a session that this server keeps is named in workflows: the result of spark.session.open with `via: process`. */
export interface SessionHandle {
  /** The action execution that has opened it. */
  readonly id: string;
  readonly kind: string;
  readonly host: string;
}

export function fromHandle({ id, kind, host }: SessionHandle): JsonObject {
  return { via: 'process', id, kind, host, connection: null, url: null };
}

/** Null for anything else, such as a session of Livy. */
export function toHandle(session: JsonObject[string] | undefined): SessionHandle | null {
  if (!isJsonObject(session) || session.via !== 'process') return null;
  const { id, kind, host } = session;
  if (typeof id !== 'string' || id === '' || typeof host !== 'string') return null;
  return { id, kind: typeof kind === 'string' ? kind : 'pyspark', host };
}

/** A workflow may write any id: the name of the folder is made of it as at the session's start, and lies nowhere else. */
export function folderOf(id: string, options: SparkOptions): string {
  return join(sessionsFolder(options), runName(id));
}

/** Whether there is such a session of this project: others' sessions are not there. */
export async function isSessionOf(folder: string, projectId: string): Promise<boolean> {
  return (await readSettings(folder))?.project_id === projectId;
}
