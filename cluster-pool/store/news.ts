import type { Knex } from 'knex';
import type { JsonObject } from '../../dsl/json.ts';
import type { ClusterNews } from '../../engine/store/event-log.ts';
import type { EventSubject } from './changing.ts';
import { ownersOf } from './leases.ts';

/** What has been told of a cluster within a transaction. */
export interface Told {
  readonly event: string;
  readonly subject: EventSubject;
  readonly data: JsonObject;
}

/**
 * What of it is for the executions that hold the clusters (spec/cluster.md §3.5): a lease belongs to the execution whose end ends it. Of what
 * happens to free clusters nobody has to know.
 */
export async function newsForOwners(trx: Knex, told: readonly Told[]): Promise<readonly ClusterNews[]> {
  const wanted = told.filter(({ event, subject }) => subject.leaseId !== null && FOR_OWNERS.has(event));
  if (wanted.length === 0) return [];
  const owners = await ownersOf(
    trx,
    wanted.map(({ subject }) => subject.leaseId ?? ''),
  );
  return wanted.flatMap(({ event, subject, data }) => {
    const executionId = owners.get(subject.leaseId ?? '');
    if (executionId === undefined) return [];
    const what = event === 'health' ? `health ${String(data['health'])}` : event;
    return [{ executionId, clusterId: subject.id, clusterName: subject.name, what, why: whyOf(data) }];
  });
}

const FOR_OWNERS: ReadonlySet<string> = new Set([
  'granted',
  'released',
  'health',
  'adopted',
  'start',
  'stop',
  'restart',
  'draining',
  'undrained',
]);

function whyOf({ why = null, reason = null, node = null }: JsonObject): string {
  return String(why ?? reason ?? (node === null ? '' : `node ${String(node)}`));
}
