import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readHead } from './output.ts';

/** Put into every application's configuration, so that its event log says whose it is. */
export const EXECUTION_CONF = 'spark.tramontane.action_execution';

/** The local folder that a job's configuration names for event logs, or null. */
export function eventLogFolder(conf: Readonly<Record<string, string>>): string | null {
  if (conf['spark.eventLog.enabled'] !== 'true') return null;
  const folder = conf['spark.eventLog.dir'] ?? '/tmp/spark-events';
  if (folder.startsWith('/')) return folder;
  return folder.startsWith('file:') && URL.canParse(folder) ? fileURLToPath(new URL(folder)) : null;
}

/** The id of the application that this action execution ran, as its event log has it; null when none is found. */
export async function findAppIdInEventLogs(
  folder: string,
  actionExecutionId: string,
  sinceMs: number,
): Promise<string | null> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found === null || found.mtimeMs < sinceMs - 60_000) continue;
    const files = found.isDirectory()
      ? (await readdir(path)).filter((file) => file.startsWith('events_1_')).map((file) => join(path, file))
      : [path];
    for (const file of files) {
      const text = await readHead(file, 512 * 1024);
      if (!text.includes(`"${EXECUTION_CONF}":"${actionExecutionId}"`)) continue;
      const id = /"Event":"SparkListenerApplicationStart"[^\n]*"App ID":"([^"]+)"/.exec(text)?.[1];
      if (id !== undefined) return id;
    }
  }
  return null;
}
