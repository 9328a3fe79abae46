import { isJsonObject, parseJson, type Json, type JsonObject } from '../../dsl/json.ts';
import { createHttpClient } from '../http-client.ts';
import { toNumber } from '../inputs.ts';

/** Figures from a running driver's web page (spec/spark.md §7): null when it cannot be reached or shows no application. */
export async function readUiProgress(uiUrl: string): Promise<JsonObject | null> {
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
    const jobs = await get(`/applications/${encodeURIComponent(first.id)}/jobs`);
    return { app_id: first.id, ...sumOf(Array.isArray(jobs) ? jobs.filter(isJsonObject) : []) };
  } catch {
    return null;
  } finally {
    await http.close();
  }
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
