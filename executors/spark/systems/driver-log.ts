import { headlessLines } from './log-text.ts';
import { objectOf, objectsOf, textOf } from './client.ts';
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
  const worker = objectsOf(state.workers).find((one) => one.id === workerId);
  const address = textOf(worker?.webuiaddress);
  if (workerId === null || address === null) return [];
  const page = async (type: 'stderr' | 'stdout') => {
    const query = new URLSearchParams({
      driverId: job.externalId ?? '',
      logType: type,
      byteLength: String(PAGE_BYTES),
    });
    return headlessLines(await masterUi.readPage(`${address.replace(/\/$/, '')}/log/?${query}`, signal));
  };
  const log = await page('stderr');
  const program = await page('stdout');
  const own = program.slice(-Math.max(Math.ceil(plan.logLines / 2), plan.logLines - log.length));
  return [...log.slice(-(plan.logLines - own.length) || log.length), ...own].slice(-plan.logLines);
}

const PAGE_BYTES = 256 * 1024;
