import type { Endpoint, SparkSystem } from './endpoint.ts';
import { LIGHTER_ENDPOINTS } from './lighter-endpoints.ts';
import { LIVY_ENDPOINTS } from './livy-endpoints.ts';
import { MIST_ENDPOINTS } from './mist-endpoints.ts';
import { MASTER_ENDPOINTS, STANDALONE_ENDPOINTS } from './standalone-endpoints.ts';

/** Every server of one kind: where it is, what must go with each call, and its endpoints. */
export interface SystemTable {
  readonly system: SparkSystem | 'master';
  /** What people call it. */
  readonly title: string;
  /** Added to an address without a path. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly endpoints: readonly Endpoint[];
}

export const SYSTEMS: Readonly<Record<SparkSystem | 'master', SystemTable>> = {
  mist: { system: 'mist', title: 'Mist', prefix: '/v2/api', headers: {}, endpoints: MIST_ENDPOINTS },
  lighter: { system: 'lighter', title: 'Lighter', prefix: '/lighter/api', headers: {}, endpoints: LIGHTER_ENDPOINTS },
  livy: {
    system: 'livy',
    title: 'Livy',
    prefix: '',
    // Demanded where the protection against cross-site requests is on.
    headers: { 'x-requested-by': 'tramontane' },
    endpoints: LIVY_ENDPOINTS,
  },
  standalone: {
    system: 'standalone',
    title: "Spark's submission server",
    prefix: '/v1/submissions',
    headers: {},
    endpoints: STANDALONE_ENDPOINTS,
  },
  master: { system: 'master', title: "Spark's master", prefix: '', headers: {}, endpoints: MASTER_ENDPOINTS },
};

/** @throws Error for a name that no table has: a mistake in this program. */
export function endpointOf(table: SystemTable, name: string): Endpoint {
  const found = table.endpoints.find((endpoint) => endpoint.name === name);
  if (found === undefined) throw new Error(`${table.title} has no endpoint '${name}'.`);
  return found;
}
