import { RemoteError } from '../../http-client.ts';
import { headlessLines } from './log-text.ts';
import type { JsonObject } from '../../../dsl/json.ts';
import { objectOf, objectsOf, textOf } from './client.ts';
import { SparkApiError } from './errors.ts';
import type { RunCall } from './runs.ts';

/**
 * The end of a driver's log, read from the page of the worker that runs it (spec/spark.md §5): Spark's own lines, then the program's. No
 * address of the master's page, or a worker that is gone: no lines.
 */
export async function readDriverLog({ client, masterUi, job, plan, signal }: RunCall): Promise<readonly string[]> {
  if (masterUi === null) return [];
  const status = objectOf(await client.call('spark.submissions.status', { id: job.externalId }, signal));
  const workerId = textOf(status.workerId);
  const state = await masterUi.masterState();
  const address = pageOf(state, workerId);
  if (address === null) return [];
  const page = async (type: 'stderr' | 'stdout') => {
    const query = new URLSearchParams({
      driverId: job.externalId ?? '',
      logType: type,
      byteLength: String(PAGE_BYTES),
    });
    return headlessLines(await masterUi.readPage(`${address}/log/?${query}`, signal));
  };
  const log = await page('stderr');
  const program = await page('stdout');
  const own = program.slice(-Math.max(Math.ceil(plan.logLines / 2), plan.logLines - log.length));
  return [...log.slice(-(plan.logLines - own.length) || log.length), ...own].slice(-plan.logLines);
}

/**
 * The command that a worker has started this driver with, by the first line of its log; null while there is no log, or none that can be read. It holds the
 * driver's whole configuration, the application's name included (secrets are masked by Spark).
 */
export async function launchOf(
  { masterUi, signal }: RunCall,
  state: JsonObject,
  driver: JsonObject,
): Promise<string | null> {
  const address = pageOf(state, textOf(driver.worker));
  if (masterUi === null || address === null) return null;
  const query = new URLSearchParams({
    driverId: textOf(driver.id) ?? '',
    logType: 'stderr',
    offset: '0',
    byteLength: String(HEAD_BYTES),
  });
  try {
    return /^Launch Command: .*$/m.exec(await masterUi.readPage(`${address}/log/?${query}`, signal))?.[0] ?? null;
  } catch (error) {
    signal.throwIfAborted();
    // The worker may be away; what the master itself says goes on counting.
    if (error instanceof RemoteError || error instanceof SparkApiError) return null;
    throw error;
  }
}

function pageOf(state: JsonObject, workerId: string | null): string | null {
  if (workerId === null) return null;
  const worker = objectsOf(state.workers).find((one) => one.id === workerId);
  return textOf(worker?.webuiaddress)?.replace(/\/$/, '') ?? null;
}

const HEAD_BYTES = 64 * 1024;
const PAGE_BYTES = 256 * 1024;
