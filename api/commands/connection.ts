import { MASK } from '../../engine/secrets.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import type { Connection } from '../../executors/connections/connection.ts';
import { probeConnection } from '../../executors/connections/probe.ts';
import { readConnections } from '../../executors/connections/read.ts';
import { showItem, showList } from '../client/output.ts';
import type { Format } from '../client/formats.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { readSettings } from './settings.ts';
import type { JsonObject } from '../../dsl/json.ts';

export interface ConnectionCommandOptions {
  readonly config: string;
  readonly format: Format;
}

export function connectionListCommand(options: ConnectionCommandOptions, terminal: Terminal): ExitCode {
  const shown = connectionsOf(options, terminal).map(shownOf);
  terminal.out(showList(shown, ['name', 'type', 'urls', 'auth', 'limits'], options.format));
  return 0;
}

export function connectionGetCommand(name: string, options: ConnectionCommandOptions, terminal: Terminal): ExitCode {
  const [connection] = chosen([name], options, terminal);
  if (connection !== undefined) terminal.out(showItem(shownOf(connection), options.format));
  return 0;
}

/** Asks each server for something that changes nothing, from this host. 1 when one of them cannot be used. */
export async function connectionTestCommand(
  names: readonly string[],
  options: ConnectionCommandOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const connections = names.length === 0 ? connectionsOf(options, terminal) : chosen(names, options, terminal);
  const http = createHttpClient(null);
  let code: ExitCode = 0;
  try {
    const rows: JsonObject[] = [];
    for (const connection of connections) {
      for (const { url, ok, text, milliseconds } of await probeConnection(connection, http)) {
        rows.push({ name: connection.name, url, works: ok, says: text, milliseconds });
        if (!ok) code = 1;
      }
    }
    terminal.out(showList(rows, ['name', 'url', 'works', 'says', 'milliseconds'], options.format));
  } finally {
    await http.close();
  }
  return code;
}

function chosen(
  names: readonly string[],
  options: ConnectionCommandOptions,
  terminal: Terminal,
): readonly Connection[] {
  const all = connectionsOf(options, terminal);
  return names.map((name) => {
    const found = all.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new UsageError(
      `There is no connection '${name}' in ${options.config}; there are: ${all.map((one) => one.name).join(', ') || 'none'}`,
    );
  });
}

/** As the server would read them: a fault, such as a missing variable of a secret, is told in the same words. */
function connectionsOf({ config }: ConnectionCommandOptions, { environment }: Terminal): readonly Connection[] {
  return readConnections(readSettings({ config }, {}).connections, environment).list();
}

/** Everything but secrets. */
function shownOf(connection: Connection): JsonObject {
  const { name, type, urls, headers, tls, timeoutMs, limits, gatewayUrl, historyUrl, masterUi } = connection;
  const { authorization, ...others } = headers;
  const masked = Object.fromEntries(Object.keys(others).map((header) => [header, MASK]));
  return {
    name,
    type,
    urls,
    auth: authorization === undefined ? null : `${authorization.split(' ')[0]} ${MASK}`,
    headers: masked,
    tls:
      tls === undefined
        ? null
        : {
            verify: tls.verify !== false,
            own_authority: tls.ca !== undefined,
            client_certificate: tls.cert !== undefined,
          },
    timeout: timeoutMs / 1000,
    limits: { requests: limits.requests, jobs: limits.jobs },
    sql_gateway_url: gatewayUrl,
    history_url: historyUrl,
    master_ui: masterUi,
  };
}
