import { hostname } from 'node:os';
import type { Role } from '../engine/config.ts';
import type { Store } from '../engine/store/connection.ts';
import { liveServices } from '../engine/store/services.ts';
import type { ServiceGroup } from './services.ts';

const GROUPS: Readonly<Record<Role, string>> = {
  api: 'api_group',
  engine: 'engine_group',
  executor: 'executor_group',
  scheduler: 'event-engine_group',
};

/** The processes that work on this database now (spec/rest-api.md §3.15): this one, or all that share it. */
export async function serviceGroups(store: Store, roles: readonly Role[]): Promise<readonly ServiceGroup[]> {
  if (!store.isShared) return groupsOf(`${hostname()}_${process.pid}`, roles);
  const live = await liveServices(store.reader);
  return live.flatMap((service) => groupsOf(service.name, service.roles));
}

function groupsOf(name: string, roles: readonly string[]): readonly ServiceGroup[] {
  return Object.entries(GROUPS).flatMap(([role, type]) => (roles.includes(role) ? [{ name, type }] : []));
}
