import { isJsonObject, parseJson, type Json } from '../../dsl/json.ts';
import { CelloClient } from '../cluster/cello-client.ts';
import type { HttpClient } from '../http-client.ts';
import { SparkClient } from '../spark/systems/client.ts';
import { SYSTEMS } from '../spark/systems/endpoints.ts';
import { SparkApiError } from '../spark/systems/errors.ts';
import type { Connection } from './connection.ts';

/** One address of a connection, asked for something that changes nothing. */
export interface Probed {
  readonly url: string;
  readonly ok: boolean;
  /** What it says of itself, or why it cannot be used. */
  readonly text: string;
  readonly milliseconds: number;
}

/** Asks every address of a connection. Never throws. */
export async function probeConnection(connection: Connection, http: HttpClient): Promise<readonly Probed[]> {
  const { urls, gatewayUrl, masterUi, historyUrl } = connection;
  const one = async (url: string, ask: () => Promise<string>): Promise<Probed> => {
    const start = performance.now();
    const done = (ok: boolean, text: string) => ({
      url,
      ok,
      text,
      milliseconds: Math.round(performance.now() - start),
    });
    try {
      return done(true, await ask());
    } catch (error) {
      return done(false, error instanceof Error ? error.message : String(error));
    }
  };
  const beside: readonly (readonly [string | null, (url: string) => Promise<string>])[] = [
    [gatewayUrl, (url) => askGateway(connection, url, http)],
    [masterUi, (url) => askMaster(connection, url, http)],
    [historyUrl, (url) => askHistory(connection, url, http)],
  ];
  const found: Probed[] = [];
  for (const url of urls) found.push(await one(url, () => askServer(connection, url, http)));
  for (const [url, ask] of beside) if (url !== null) found.push(await one(url, () => ask(url)));
  return found;
}

async function askServer(connection: Connection, url: string, http: HttpClient): Promise<string> {
  const server = serverAt(connection, url, http);
  switch (connection.type) {
    case 'flink':
      return `Flink ${said(await json(connection, `${url}/config`, http), 'flink-version')}`;
    case 'flink-sql-gateway':
      return askGateway(connection, url, http);
    case 'livy':
      return `Livy ${said(await new SparkClient(SYSTEMS.livy, server).call('livy.version'), 'version')}`;
    case 'lighter':
      await new SparkClient(SYSTEMS.lighter, server).call('lighter.configuration');
      return 'Lighter';
    case 'mist':
      return askMist(new SparkClient(SYSTEMS.mist, server));
    case 'spark-standalone': {
      // An unknown driver is an answer like any other (spec/spark.md §5).
      const answer = await new SparkClient(SYSTEMS.standalone, server).call('spark.submissions.status', { id: 'none' });
      return `Spark ${said(answer, 'serverSparkVersion')}`;
    }
    case 'cluster':
      await new CelloClient(server).list({ user_id: 'tramontane-connection-test' });
      return 'a service for clusters';
  }
}

/** `status` is there from 0.13.2 on; the context `default` always is (spec/spark.md §2.2). */
async function askMist(client: SparkClient): Promise<string> {
  try {
    return `Mist ${said(await client.call('mist.status'), 'mistVersion')}`;
  } catch (error) {
    if (!(error instanceof SparkApiError) || error.status !== 404) throw error;
    await client.call('mist.contexts.get', { id: 'default' });
    return 'Mist';
  }
}

async function askMaster(connection: Connection, url: string, http: HttpClient): Promise<string> {
  const page = await new SparkClient(SYSTEMS.master, serverAt(connection, url, http)).call('spark.master.state');
  return `a master that is ${said(page, 'status')}`;
}

async function askGateway(connection: Connection, url: string, http: HttpClient): Promise<string> {
  return `a SQL gateway of Flink ${said(await json(connection, `${url}/info`, http), 'version')}`;
}

/** Flink's history server has `config` at its root, Spark's a list of applications. */
async function askHistory(connection: Connection, url: string, http: HttpClient): Promise<string> {
  await json(
    connection,
    `${url}/${connection.type.startsWith('flink') ? 'config' : 'api/v1/applications?limit=1'}`,
    http,
  );
  return 'a history server';
}

function serverAt(connection: Connection, url: string, http: HttpClient) {
  const { headers, tls, timeoutMs } = connection;
  return { urls: [url], headers, ...(tls !== undefined && { tls }), timeoutMs, http };
}

async function json(connection: Connection, url: string, http: HttpClient): Promise<Json> {
  const { headers, tls, timeoutMs } = connection;
  const answer = await http.exchange({
    method: 'GET',
    url,
    headers,
    ...(tls !== undefined && { tls }),
    timeoutMs,
    maxBytes: 1024 * 1024,
  });
  if (answer.status !== 200) throw new Error(`status ${answer.status} ${answer.reason}`.trim());
  try {
    return parseJson(answer.body.toString('utf8'));
  } catch {
    throw new Error('the answer is no JSON: another server listens there');
  }
}

function said(answer: Json, key: string): string {
  const value = isJsonObject(answer) ? answer[key] : undefined;
  return typeof value === 'string' && value !== '' ? value : 'of an unknown version';
}
