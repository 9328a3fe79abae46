import type { Cluster, ClusterLease, LeaseRecord } from './contract.ts';
import type { ClusterRow, LeaseRow } from './store/rows.ts';

/** A life as it goes over the wire, with both spellings (spec/cluster.md §1.4, §3.2). Unset texts are empty. */
export function clusterOf(row: ClusterRow, lease: LeaseRow | undefined): Cluster {
  const main = mainAddress(row.endpoints);
  return {
    id: row.id,
    name: row.name,
    user_id: row.userId,
    host_id: row.pool,
    pool: row.pool,
    type: row.type,
    mode: row.mode,
    consensus_plugin: row.type,
    consensus_mode: row.mode,
    size: row.size,
    cores: row.cores,
    labels: row.labels,
    status: row.status,
    health: row.health,
    endpoints: row.endpoints,
    service_url: row.endpoints,
    api_url: main,
    daemon_url: 'local://',
    worker_api: 'local://',
    nodes: row.nodes,
    containers: row.nodes.map((node) => node.name),
    mapped_ports: portsOf(row.endpoints),
    create_ts: timeText(row.createTs),
    apply_ts: timeText(row.applyTs),
    release_ts: timeText(row.releaseTs),
    duration:
      row.applyTs === null || row.releaseTs === null ? '' : String(Math.round((row.releaseTs - row.applyTs) / 1000)),
    ...(lease !== undefined && { lease: clusterLeaseOf(lease) }),
  };
}

export function clusterLeaseOf(lease: LeaseRow): ClusterLease {
  return { id: lease.id, owner: lease.userId, expires_at: lease.expiresAt, scope: lease.scope };
}

export function leaseRecordOf(lease: LeaseRow): LeaseRecord {
  const prefix = `${lease.projectId}/`;
  return {
    id: lease.id,
    lease_key: lease.leaseKey?.startsWith(prefix) === true ? lease.leaseKey.slice(prefix.length) : lease.leaseKey,
    cluster_id: lease.remote === null ? lease.clusterId : lease.clusterId.slice(lease.remote.length + 1),
    project_id: lease.projectId,
    user_id: lease.userId,
    execution_id: lease.executionId,
    root_execution_id: lease.rootExecutionId,
    scope: lease.scope,
    granted_at: lease.grantedAt,
    renewed_at: lease.renewedAt,
    expires_at: lease.expiresAt,
    released_at: lease.releasedAt,
    release_reason: lease.releaseReason,
    remote: lease.remote,
  };
}

/** What a client of Cello would call: of a Spark cluster its master, else its REST address. */
function mainAddress(endpoints: Readonly<Record<string, string>>): string {
  return endpoints['master'] ?? endpoints['rest'] ?? Object.values(endpoints)[0] ?? '';
}

function portsOf(endpoints: Readonly<Record<string, string>>): Readonly<Record<string, number>> {
  const ports: [string, number][] = [];
  for (const [name, address] of Object.entries(endpoints)) {
    const port = /:(\d+)(?:\/|$)/.exec(address.replace(/^\w+:\/\//, ''))?.[1];
    if (port !== undefined) ports.push([name, Number(port)]);
  }
  return Object.fromEntries(ports);
}

function timeText(milliseconds: number | null): string {
  return milliseconds === null ? '' : new Date(milliseconds).toISOString();
}
