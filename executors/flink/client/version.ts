import type { Endpoint } from './endpoint.ts';
import { CallError } from './errors.ts';

/** A Flink version as `GET /config` tells it; suffixes such as -SNAPSHOT are ignored. */
export interface FlinkVersion {
  readonly raw: string;
  readonly major: number;
  readonly minor: number;
  /** `atLeast('1.17')` */
  atLeast(version: string): boolean;
}

/** @throws Error when the text begins with no version. */
export function parseVersion(raw: string): FlinkVersion {
  const match = /^(\d+)\.(\d+)/.exec(raw);
  if (match === null) throw new Error(`'${raw}' is no version of Flink.`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return {
    raw,
    major,
    minor,
    atLeast(version) {
      const [wantedMajor = 0, wantedMinor = 0] = version.split('.').map(Number);
      return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
    },
  };
}

/** The API version of a SQL gateway that a route needs, by the version of Flink that brought it (spec/flink.md §3.4). */
const FIRST_API: Readonly<Record<string, number>> = { '1.16': 1, '1.17': 2, '1.20': 3, '2.0': 4 };

/** Of what the gateway serves, such as V1, V2: the newest. */
export function newestApiVersion(versions: readonly string[]): string {
  const numbers = versions.map((one) => Number(/^v(\d+)$/i.exec(one)?.[1] ?? 0));
  return `v${Math.max(1, ...numbers)}`;
}

/** v2 where there is one, later ones only for routes that need them. @throws CallError when the gateway is too old. */
export function apiVersionFor(endpoint: Endpoint, newest: string): string {
  const needed = FIRST_API[endpoint.since ?? '1.16'] ?? 1;
  const served = Number(newest.slice(1));
  if (needed > served) {
    throw new CallError(
      `${endpoint.method} ${endpoint.path} needs version ${needed} of the SQL gateway's API (Flink ${endpoint.since}); it serves v${served}.`,
    );
  }
  return `v${Math.max(needed, Math.min(2, served))}`;
}
