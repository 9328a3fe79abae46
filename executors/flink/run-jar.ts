import type { JsonObject } from '../../dsl/json.ts';
import type { JobAction } from '../action.ts';
import type { JobBackend } from '../jobs/backend.ts';
import { choice, flag, JAR_INPUTS, seconds, text } from './parameters.ts';
import { SERVER_INPUTS } from './servers.ts';

/** spec/flink.md §3.1. */
export function flinkRunJar(backend: JobBackend): JobAction {
  return {
    name: 'flink.run_jar',
    description:
      'Uploads a jar to a Flink session cluster (each content once), runs it and waits until it is submitted, running or finished. A restart of the server finds the job again; it is never started twice.',
    kind: 'job',
    repeatSafe: true,
    parameters: { type: 'object', properties: PROPERTIES, required: ['jar'], additionalProperties: false },
    result: {
      description: 'The job: its id, state, times, and its accumulators once it is finished.',
      schema: JOB_RESULT,
    },
    examples: [
      {
        title: 'A batch job whose accumulators the next task uses',
        yaml: 'total:\n  action: flink.run_jar\n  input:\n    url: http://127.0.0.1:8081\n    jar: /srv/jobs/totals.jar\n    args: {day: <% $.day %>}\n    parallelism: 4\n    wait_for: finished\n    timeout: 3600\n  publish:\n    rows: <% task().result.accumulators.rows %>\n',
      },
      {
        title: 'An endless job, stopped with a savepoint when the workflow is cancelled',
        yaml: 'stream:\n  action: flink.run_jar\n  input:\n    cluster: analytics\n    jar: https://repo.example.com/stream-1.4.jar\n    wait_for: finished\n    on_cancel: stop\n    savepoint_dir: file:///srv/savepoints\n',
      },
    ],
    backend,
  };
}

const PROPERTIES: Record<string, JsonObject> = {
  ...SERVER_INPUTS,
  ...JAR_INPUTS,
  savepoint_path: text('Savepoint or retained checkpoint to start from.'),
  restore_from: {
    type: ['object', 'null'],
    description: '{job_id, what: savepoint|checkpoint}: start from the latest one of another job.',
  },
  wait_for: { ...choice(['submitted', 'running', 'finished'], 'When the task is over.'), default: 'running' },
  all_tasks_running: flag('For wait_for: running, wait until every task runs.', false),
  poll_interval: { ...seconds('First pause between two looks; grows to 10 s.'), default: 2 },
  timeout: seconds('Seconds from the submit until the wanted state.'),
  on_timeout: {
    ...choice(
      ['fail', 'cancel', 'detach'],
      'When the time is over: fail (the job goes on), cancel (fail and cancel the job), detach (succeed, the job goes on).',
    ),
    default: 'fail',
  },
  on_cancel: {
    ...choice(
      ['cancel', 'stop', 'detach'],
      'When the workflow is cancelled: cancel the job, stop it with a savepoint, or let it go on.',
    ),
    default: 'cancel',
  },
  savepoint_dir: text("Where on_cancel: stop puts the savepoint; default: the cluster's setting."),
  drain: flag('For on_cancel: stop, let sources and windows run out.', false),
  stop_timeout: { ...seconds('For on_cancel: stop, seconds until the savepoint must be made.'), default: 600 },
  cancel_fallback: flag('Cancel the job when the stop fails or takes longer than stop_timeout.', true),
  keep_jar: flag('Leave an uploaded jar on the cluster for the next run.', true),
  not_found_grace: { ...seconds('For how long the cluster may not know the job, as during a fail-over.'), default: 60 },
  history_url: text('Address of a history server that may know a job which the cluster has forgotten.'),
  on_lost: {
    ...choice(
      ['fail', 'resubmit'],
      'When the cluster has lost the job for good: fail, or run it again from its beginning (or savepoint_path) under the same id, three times at most.',
    ),
    default: 'fail',
  },
  job_id: text('32 hex digits; default: derived from the action execution. An id can be used once.'),
};

export const JOB_RESULT: JsonObject = {
  type: 'object',
  properties: {
    job_id: { type: 'string' },
    jar_id: { type: ['string', 'null'] },
    state: { type: 'string' },
    name: { type: ['string', 'null'] },
    start_time: { type: ['integer', 'null'], description: 'Milliseconds since 1970.' },
    end_time: { type: ['integer', 'null'] },
    duration_ms: { type: ['integer', 'null'] },
    accumulators: { type: ['object', 'null'] },
    savepoint: { type: ['string', 'null'] },
    web_url: { type: 'string' },
    flink_version: { type: ['string', 'null'] },
  },
};

/** The helper of the Python client, under its name: as flink.run_jar, but over once the job is submitted. */
export function flinkUploadAndRun(backend: JobBackend): JobAction {
  return {
    ...flinkRunJar({
      ...backend,
      prepare: (input, run) => backend.prepare({ wait_for: 'submitted', ...input }, run),
    }),
    name: 'flink.upload_and_run',
    description:
      'Uploads a jar (each content once), runs it and gives the id of its job, without waiting for it unless told to: flink.run_jar with wait_for: submitted.',
    parameters: {
      type: 'object',
      properties: {
        ...PROPERTIES,
        wait_for: { ...choice(['submitted', 'running', 'finished'], 'When the task is over.'), default: 'submitted' },
      },
      required: ['jar'],
      additionalProperties: false,
    },
    examples: [
      {
        title: 'Start a job and wait for it elsewhere',
        yaml: 'start:\n  action: flink.upload_and_run\n  input:\n    cluster: analytics\n    jar: /srv/jobs/totals.jar\n    args: [--day, "2026-11-22"]\n  publish:\n    job: <% task().result.job_id %>\n',
      },
    ],
  };
}
