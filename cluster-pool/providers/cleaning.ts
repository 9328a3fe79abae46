import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { readObject, send } from './http.ts';

/**
 * What cleaning a cluster over its own interfaces has come to (spec/cluster.md §4.2, §4.3). `clean`: nothing runs. `traces`: nothing runs, and the next
 * user sees the names of what ran before. `busy`: something does not end.
 */
export type Cleaned = { readonly kind: 'clean' } | { readonly kind: 'traces' | 'busy'; readonly why: string };

/**
 * Ends all drivers, waits until the applications are gone with them, and has the master forget both. Spark 3.5 ends drivers one by one
 * and cannot forget; an application whose driver runs elsewhere cannot be ended from here.
 *
 * @param endpoints `ui`, the master's web page, and `rest`, its submission server, without which no driver can be ended.
 * @param seconds how long all of it may take to end.
 */
export async function cleanSpark(
  { ui = '', rest = '' }: Readonly<Record<string, string>>,
  seconds: number,
  signal: AbortSignal,
): Promise<Cleaned> {
  for (let tries = 0; ; tries++) {
    const state = await readObject(`${ui}/json/`, signal);
    if (state === null) return { kind: 'busy', why: `the master at ${ui} does not answer` };
    const [drivers, apps] = [itemsOf(state['activedrivers']), itemsOf(state['activeapps'])];
    if (drivers.length === 0 && apps.length === 0) break;
    if (tries * PAUSE_MS >= seconds * 1000)
      return { kind: 'busy', why: `${[...drivers, ...apps].map(nameOf).join(', ')} still run there` };
    if (tries % AGAIN === 0) await killDrivers(rest, drivers, signal);
    await sleep(PAUSE_MS, undefined, { signal });
  }
  if (rest !== '') await send('POST', `${rest}/v1/submissions/clear`, signal, {});
  const state = await readObject(`${ui}/json/`, signal);
  if (state === null) return { kind: 'busy', why: `the master at ${ui} does not answer` };
  const [active, ended] = [ACTIVE, ENDED].map((lists) => lists.flatMap((list) => itemsOf(state[list])));
  if (active === undefined || active.length > 0) return { kind: 'busy', why: 'somebody has submitted something again' };
  return ended === undefined || ended.length > 0
    ? { kind: 'traces', why: `the master still lists ${ended?.map(nameOf).join(', ')}` }
    : { kind: 'clean' };
}

const ACTIVE = ['activeapps', 'activedrivers'];
const ENDED = ['completedapps', 'completeddrivers'];

/** Spark 4 all at once; before that one by one. What is asked twice has ended, or is killed twice. */
async function killDrivers(rest: string, drivers: readonly JsonObject[], signal: AbortSignal): Promise<void> {
  if (rest === '' || drivers.length === 0) return;
  const all = await send('POST', `${rest}/v1/submissions/killall`, signal, {});
  if (all.status === 200 && isJsonObject(all.body) && all.body['success'] === true) return;
  for (const driver of drivers)
    await send('POST', `${rest}/v1/submissions/kill/${encodeURIComponent(nameOf(driver))}`, signal, {});
}

/**
 * Cancels all jobs, deletes uploaded jars, and waits until no job lives and all slots are free: a list of jobs leaves out those that do
 * not answer the job manager in time. Of jobs that have ended it keeps the names for a while.
 */
export async function cleanFlink(
  { rest = '' }: Readonly<Record<string, string>>,
  seconds: number,
  signal: AbortSignal,
): Promise<Cleaned> {
  for (let tries = 0; ; tries++) {
    const [list, overview] = [
      await readObject(`${rest}/jobs/overview`, signal),
      await readObject(`${rest}/overview`, signal),
    ];
    if (list === null || overview === null) return { kind: 'busy', why: `the job manager at ${rest} does not answer` };
    const live = itemsOf(list['jobs']).filter(({ state }) => !FINAL.includes(String(state)));
    const taken = Number(overview['slots-total'] ?? 0) - Number(overview['slots-available'] ?? 0);
    // Jars last: until its job has ended somebody's client may upload another one.
    if (live.length === 0 && taken === 0 && (await deleteJars(rest, signal)) === 0) return { kind: 'clean' };
    if (tries * PAUSE_MS >= seconds * 1000)
      return {
        kind: 'busy',
        why: live.length > 0 ? `${live.map(nameOf).join(', ')} still run there` : `${taken} slots are still taken`,
      };
    if (tries % AGAIN === 0)
      for (const job of live)
        await send('PATCH', `${rest}/jobs/${encodeURIComponent(nameOf(job))}?mode=cancel`, signal);
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

const FINAL = ['FINISHED', 'FAILED', 'CANCELED'];

/** How many there are afterwards. A session that takes no jars has none. */
async function deleteJars(rest: string, signal: AbortSignal): Promise<number> {
  const jars = async () => itemsOf((await readObject(`${rest}/jars`, signal))?.['files']);
  const found = await jars();
  for (const jar of found) await send('DELETE', `${rest}/jars/${encodeURIComponent(nameOf(jar))}`, signal);
  return found.length === 0 ? 0 : (await jars()).length;
}

const PAUSE_MS = 250;
/** What does not obey is told again every five seconds. */
const AGAIN = 20;

function itemsOf(list: Json | undefined): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter((item) => isJsonObject(item)) : [];
}

/** By which the server knows it. */
function nameOf({ id = null, jid = null }: JsonObject): string {
  return String(id ?? jid);
}
