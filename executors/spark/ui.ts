import { isJsonObject, parseJson, type Json, type JsonObject } from '../../dsl/json.ts';
import { createHttpClient, type HttpClient } from '../http-client.ts';
import { toNumber } from '../inputs.ts';
import { EXECUTION_CONF } from './event-log.ts';
import { SparkApiError } from './systems/errors.ts';

export interface UiFigures {
  readonly appId: string;
  readonly figures: JsonObject;
}

/**
 * Figures from the web page of a running driver (spec/spark.md §7): null when it cannot be reached or shows another application: a port
 * is soon somebody else's, so the page must name this action execution in its configuration.
 */
export async function readUi(uiUrl: string, actionExecutionId: string): Promise<UiFigures | null> {
  const http = createHttpClient(null);
  const get = async (path: string): Promise<Json> => {
    const answer = await http.exchange({
      method: 'GET',
      url: `${uiUrl}/api/v1${path}`,
      timeoutMs: 3000,
      maxBytes: 4 * 1024 * 1024,
    });
    return answer.status === 200 ? parseJson(answer.body.toString('utf8')) : null;
  };
  try {
    const applications = await get('/applications');
    const first = Array.isArray(applications) ? applications[0] : null;
    if (!isJsonObject(first) || typeof first.id !== 'string') return null;
    const path = `/applications/${encodeURIComponent(first.id)}`;
    if (!isOurs(await get(`${path}/environment`), actionExecutionId)) return null;
    const jobs = await get(`${path}/jobs`);
    return { appId: first.id, figures: sumOf(Array.isArray(jobs) ? jobs.filter(isJsonObject) : []) };
  } catch {
    return null;
  } finally {
    await http.close();
  }
}

/**
 * Figures of an application from any page that speaks Spark's monitoring API: of its driver, or of a history server.
 *
 * @throws SparkApiError for an answer that is no success; RemoteError when there is none.
 */
export async function readApplication(
  uiUrl: string,
  appId: string | null,
  http: HttpClient,
  signal: AbortSignal,
): Promise<JsonObject> {
  const base = `${uiUrl.replace(/\/$/, '')}/api/v1/applications`;
  const get = async (url: string): Promise<Json> => {
    const answer = await http.exchange({ method: 'GET', url, signal, timeoutMs: 30_000, maxBytes: 8 * 1024 * 1024 });
    const text = answer.body.toString('utf8');
    const title = "Spark's monitoring API";
    if (answer.status !== 200)
      throw new SparkApiError({ title, method: 'GET', path: url, status: answer.status, text });
    try {
      return parseJson(text);
    } catch {
      throw new SparkApiError({ title, method: 'GET', path: url, status: 502, text });
    }
  };
  const applications = appId === null ? await get(base) : [await get(`${base}/${encodeURIComponent(appId)}`)];
  const [first] = Array.isArray(applications) ? applications : [];
  if (!isJsonObject(first) || typeof first.id !== 'string')
    throw new SparkApiError({
      title: uiUrl,
      method: 'GET',
      path: base,
      status: 404,
      text: 'No application is shown there.',
    });
  const jobs = await get(`${base}/${encodeURIComponent(first.id)}/jobs`);
  return { app_id: first.id, ...sumOf(Array.isArray(jobs) ? jobs.filter(isJsonObject) : []) };
}

function isOurs(environment: Json, actionExecutionId: string): boolean {
  const properties = isJsonObject(environment) ? environment.sparkProperties : null;
  return (
    Array.isArray(properties) &&
    properties.some((pair) => Array.isArray(pair) && pair[0] === EXECUTION_CONF && pair[1] === actionExecutionId)
  );
}

function sumOf(jobs: readonly JsonObject[]): JsonObject {
  const sum = (name: string) => jobs.reduce((total, job) => total + (toNumber(job[name] ?? 0) ?? 0), 0);
  return {
    jobs_total: jobs.length,
    jobs_done: jobs.filter((job) => job.status === 'SUCCEEDED').length,
    tasks_total: sum('numTasks'),
    tasks_done: sum('numCompletedTasks'),
    tasks_failed: sum('numFailedTasks'),
    stages_active: sum('numActiveStages'),
  };
}
