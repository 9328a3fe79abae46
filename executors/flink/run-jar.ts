import type { JsonObject } from '../../dsl/json.ts';
import type { JobAction } from '../action.ts';
import type { JobBackend } from '../jobs/backend.ts';
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
    result: { description: 'The job: its id, state, times, and its accumulators once it is finished.', schema: RESULT },
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

const text = (description: string): JsonObject => ({ type: ['string', 'null'], description });
const seconds = (description: string): JsonObject => ({ type: ['number', 'null'], minimum: 0, description });
const flag = (description: string, byDefault: boolean): JsonObject => ({
  type: ['boolean', 'null'],
  default: byDefault,
  description,
});
const choice = (values: readonly string[], description: string): JsonObject => ({
  type: ['string', 'null'],
  enum: values,
  description,
});

const PROPERTIES: Record<string, JsonObject> = {
  ...SERVER_INPUTS,
  jar: {
    type: ['string', 'object'],
    description: "Path on the executor's host, http(s) address, or {jar_id: …} of a jar on the cluster.",
  },
  sha256: text('What the content of the jar must be.'),
  entry_class: text("Main class; default: the jar's own."),
  args: {
    type: ['array', 'object', 'null'],
    description: 'Arguments of the program; a mapping becomes `--key value` pairs.',
  },
  parallelism: { type: ['integer', 'null'], minimum: 1, description: 'Default parallelism of the job.' },
  job_name: text(
    'Name of the job (Flink 1.17 or later); without effect on a program that calls execute() with a name.',
  ),
  config: { type: ['object', 'null'], description: 'Flink configuration of the job (1.17 or later).' },
  savepoint_path: text('Savepoint or retained checkpoint to start from.'),
  restore_from: {
    type: ['object', 'null'],
    description: '{job_id, what: savepoint|checkpoint}: start from the latest one of another job.',
  },
  allow_non_restored_state: flag('Drop state that fits no operator.', false),
  claim_mode: choice(['CLAIM', 'NO_CLAIM', 'LEGACY'], 'Who owns the savepoint afterwards (1.15 or later).'),
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
  cancel_fallback: flag('Cancel the job when the stop fails.', true),
  keep_jar: flag('Leave an uploaded jar on the cluster for the next run.', true),
  not_found_grace: { ...seconds('For how long the cluster may not know the job, as during a fail-over.'), default: 60 },
  history_url: text('Address of a history server that may know a job which the cluster has forgotten.'),
  job_id: text('32 hex digits; default: derived from the action execution. An id can be used once.'),
};

const RESULT: JsonObject = {
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
