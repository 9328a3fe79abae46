import type { JsonObject } from '../../../dsl/json.ts';
import { refused } from '../outcome.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import { SparkClient, type SparkServer } from './client.ts';
import { SYSTEMS, type SystemTable } from './endpoints.ts';

/** What a configured connection says beside the address (spec/spark.md §8.1). */
export interface SparkConnection extends SparkServer {
  /** Which system it is: a connection to Livy is no use to mist.run. */
  readonly kind: string;
  /** Address of a standalone master's web page. */
  readonly masterUi: string | null;
  /** Address of a history server. */
  readonly historyUrl: string | null;
}

/** How actions find their server. `user` addresses obey the egress policy, configured ones do not. */
export interface SparkServers {
  /** By the name in the configuration. */
  connection(name: string): SparkConnection | undefined;
  readonly forUsers: SparkServer['http'];
}

/** The inputs with which every action of these systems says where to. */
export const SERVER_INPUTS: Readonly<Record<string, JsonObject>> = {
  connection: { type: ['string', 'null'], description: "Name of a connection in the server's configuration." },
  url: {
    type: ['string', 'null'],
    description: 'Address of the server, where no connection is named. It must pass the rules for outgoing requests.',
  },
};

const TIMEOUT_MS = 60_000;

/** Where an input leads: the server, or the refusal. The text names what would be right. */
export function serverOf(
  input: JsonObject,
  system: SystemTable['system'],
  servers: SparkServers,
): { readonly server: SparkConnection } | { readonly problem: ActionResult } {
  const { connection: name = null, url = null } = input;
  const bad = (message: string) => ({ problem: refused('SPARK_BAD_INPUT', message, system) });
  if (name !== null && url !== null) return bad('Give connection or url, not both.');
  if (typeof name === 'string') {
    const found = servers.connection(name);
    if (found === undefined)
      return bad(`There is no connection '${name}'; add it to the configuration under connections.`);
    if (found.kind !== system) return bad(`Connection '${name}' leads to ${found.kind}, not to ${system}.`);
    return { server: found };
  }
  if (typeof url !== 'string' || url === '')
    return bad('Say where to: connection with the name of a configured server, or url.');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return bad(`url '${url}' is no http or https address.`);
  return {
    server: {
      kind: system,
      urls: [url],
      headers: {},
      timeoutMs: TIMEOUT_MS,
      http: servers.forUsers,
      masterUi: null,
      historyUrl: null,
    },
  };
}

export function clientOf(system: SystemTable['system'], server: SparkServer): SparkClient {
  return new SparkClient(SYSTEMS[system], server);
}
