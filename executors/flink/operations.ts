import type { JsonObject } from '../../dsl/json.ts';
import type { ActionDefinition } from '../../engine/contract.ts';
import type { JobAction } from '../action.ts';
import type { JobBackend } from '../jobs/backend.ts';
import { JOB_RESULT } from './run-jar.ts';
import { choice, flag, JAR_INPUTS, seconds, text } from './parameters.ts';
import { REDEPLOY_INPUTS } from './flows/redeploy.ts';
import { GATEWAY_INPUTS, SERVER_INPUTS } from './servers.ts';

/** How the blocking actions present themselves (spec/flink.md §3.2 to §3.4): what they do stands in `flows/`. */
export function operation(name: keyof typeof OPERATIONS, backend: JobBackend): JobAction {
  return { ...OPERATIONS[name], name: `flink.${name}`, kind: 'job', repeatSafe: true, backend };
}

type Operation = Omit<ActionDefinition, 'name' | 'kind' | 'repeatSafe'>;

const JOB_ID: JsonObject = { type: 'string', description: '32 hex digits.' };
const POLL = { ...seconds('First pause between two looks; grows to 10 s.'), default: 1 };
const DIRECTORY = text(
  "Where the savepoint goes: JobManager and task managers must reach it. Default: the cluster's setting.",
);
const FORMAT = choice(['CANONICAL', 'NATIVE'], 'Format of the savepoint (1.15 or later).');

function parameters(properties: Readonly<Record<string, JsonObject>>, required: readonly string[]) {
  return { type: 'object', properties, required, additionalProperties: false } as const;
}

function onJob(properties: Readonly<Record<string, JsonObject>>) {
  return parameters({ ...SERVER_INPUTS, job_id: JOB_ID, ...properties }, ['job_id']);
}

const result = (description: string, properties: Record<string, string | readonly string[]>): Operation['result'] => ({
  description,
  schema: {
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).map(([name, type]) => [name, { type: type as string }])),
  },
});

const OPERATIONS = {
  wait: {
    description: 'Waits for a job that something else has started; survives restarts of the server.',
    parameters: onJob({
      until: { ...choice(['running', 'finished'], 'When the task is over.'), default: 'finished' },
      all_tasks_running: flag('For until: running, wait until every task runs.', false),
      fail_on: {
        type: ['array', 'null'],
        items: { type: 'string', enum: ['FAILED', 'CANCELED'] },
        default: ['FAILED', 'CANCELED'],
        description: 'Final states of the job that are errors of the task.',
      },
      timeout: seconds('Seconds until the wanted state; the job goes on.'),
      on_timeout: {
        ...choice(['fail', 'detach'], 'When the time is over: fail, or succeed with the state so far.'),
        default: 'fail',
      },
      poll_interval: { ...POLL, default: 2 },
      not_found_grace: {
        ...seconds('For how long the cluster may not know the job, as during a fail-over.'),
        default: 60,
      },
      history_url: text('Address of a history server that may know a job which the cluster has forgotten.'),
    }),
    result: { description: 'As that of flink.run_jar.', schema: JOB_RESULT },
    examples: [
      {
        title: 'Wait for a job, whether it succeeds or not',
        yaml: 'watch:\n  action: flink.wait\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n    fail_on: []\n    timeout: 7200\n  publish:\n    state: <% task().result.state %>\n',
      },
    ],
  },
  cancel: {
    description: 'Cancels a job and waits for its end. A job that is over already is a success.',
    parameters: onJob({
      timeout: { ...seconds('Seconds to wait for the end.'), default: 60 },
      poll_interval: POLL,
      cancel_via: choice(['rest', 'yarn-proxy'], 'yarn-proxy: in a form that proxies let through which know only GET.'),
    }),
    result: result('Its last state, and whether it had ended by itself.', {
      job_id: 'string',
      state: 'string',
      already: 'boolean',
    }),
    examples: [
      {
        title: 'End a job',
        yaml: 'end:\n  action: flink.cancel\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n',
      },
    ],
  },
  savepoint: {
    description:
      'Makes a savepoint of a running job and waits for it. Repeated after a crash, it is still one savepoint.',
    parameters: onJob({
      target_directory: DIRECTORY,
      format: FORMAT,
      cancel_job: flag('Cancel the job afterwards; flink.stop is the better way.', false),
      timeout: { ...seconds('Seconds to wait.'), default: 600 },
      poll_interval: POLL,
    }),
    result: result('Where the savepoint lies.', {
      job_id: 'string',
      location: 'string',
      trigger_id: 'string',
      duration_ms: 'integer',
    }),
    examples: [
      {
        title: 'Keep the state before a change',
        yaml: 'keep:\n  action: flink.savepoint\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n    target_directory: file:///srv/savepoints\n  publish:\n    savepoint: <% task().result.location %>\n',
      },
    ],
  },
  stop: {
    description:
      'Stops a job with a savepoint and waits for its end. A failed stop leaves the job as it is, and says how.',
    parameters: onJob({
      target_directory: DIRECTORY,
      format: FORMAT,
      drain: flag('Let sources and windows run out: for jobs that are not started again.', false),
      cancel_fallback: flag('Cancel the job when the stop fails.', false),
      timeout: { ...seconds('Seconds to wait.'), default: 600 },
      poll_interval: POLL,
    }),
    result: result('Where the savepoint lies; null after a fallback.', {
      job_id: 'string',
      location: ['string', 'null'],
      state: 'string',
    }),
    examples: [
      {
        title: 'Stop a job and start it again from there',
        yaml: 'halt:\n  action: flink.stop\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n  publish:\n    savepoint: <% task().result.location %>\n  on-success: [resume]\nresume:\n  action: flink.run_jar\n  input:\n    cluster: analytics\n    jar: /srv/jobs/stream.jar\n    savepoint_path: <% $.savepoint %>\n',
      },
    ],
  },
  checkpoint: {
    description: 'Makes a checkpoint of a running job and waits for it; Flink 1.17 or later.',
    parameters: onJob({
      type: choice(['CONFIGURED', 'FULL'], 'Default: CONFIGURED.'),
      timeout: { ...seconds('Seconds to wait.'), default: 600 },
      poll_interval: POLL,
    }),
    result: result('The checkpoint.', {
      job_id: 'string',
      checkpoint_id: 'integer',
      external_path: ['string', 'null'],
      duration_ms: 'integer',
    }),
    examples: [
      {
        title: 'A full checkpoint',
        yaml: 'check:\n  action: flink.checkpoint\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n    type: FULL\n',
      },
    ],
  },
  dispose_savepoint: {
    description: 'Deletes a savepoint through the cluster and waits for it.',
    parameters: parameters(
      {
        ...SERVER_INPUTS,
        path: { type: 'string', description: 'Where the savepoint lies.' },
        timeout: { ...seconds('Seconds to wait.'), default: 600 },
        poll_interval: POLL,
      },
      ['path'],
    ),
    result: result('What was deleted.', { path: 'string' }),
    examples: [
      {
        title: 'Delete what is not needed any more',
        yaml: 'tidy:\n  action: flink.dispose_savepoint\n  input:\n    cluster: analytics\n    path: <% $.savepoint %>\n',
      },
    ],
  },
  rescale: {
    description:
      'Changes the parallelism of a running job: through the adaptive scheduler (1.18 or later), else by a stop with savepoint and a new start, which needs jar.',
    parameters: parameters(
      {
        ...SERVER_INPUTS,
        job_id: JOB_ID,
        parallelism: {
          type: ['integer', 'object'],
          description: 'A number for all vertices, or by id or name of a vertex a number or {min, max}.',
        },
        strategy: { ...choice(['auto', 'requirements', 'redeploy'], 'auto: what the cluster can.'), default: 'auto' },
        wait: flag('Wait until the job runs so; without, only ask for it. For the adaptive scheduler.', true),
        ...JAR_INPUTS,
        target_directory: DIRECTORY,
        format: FORMAT,
        startup_timeout: { ...seconds('redeploy: seconds until the new job must run.'), default: 120 },
        stable_for: { ...seconds('redeploy: seconds for which it must have run.'), default: 10 },
        ...REDEPLOY_INPUTS,
        timeout: { ...seconds('Seconds to wait. Flink rescales at most every 30 s.'), default: 600 },
        poll_interval: POLL,
      },
      ['job_id', 'parallelism'],
    ),
    result: result('The job, a new one after redeploy, and how wide it is now.', {
      job_id: 'string',
      strategy: 'string',
      parallelism: ['integer', 'object', 'null'],
    }),
    examples: [
      {
        title: 'More room for the evening',
        yaml: 'widen:\n  action: flink.rescale\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n    parallelism: 8\n',
      },
    ],
  },
  upgrade: {
    description:
      'Replaces a running job: stops it with a savepoint, runs the new jar from that, and when it does not come up runs the old one again. Both jars are on the cluster before the job is stopped; no crash of the server leaves two jobs.',
    parameters: parameters(
      {
        ...SERVER_INPUTS,
        job_id: { ...JOB_ID, description: 'The job to replace: 32 hex digits.' },
        ...JAR_INPUTS,
        rollback: {
          type: ['object', 'null'],
          description:
            'How the old job is started again: {jar, entry_class, args, parallelism, config, …} as for flink.run_jar. Without it there is no way back but the savepoint.',
        },
        target_directory: DIRECTORY,
        format: FORMAT,
        startup_timeout: {
          ...seconds('Seconds until the new job must run with all tasks, and on the way back the old one.'),
          default: 120,
        },
        stable_for: { ...seconds('Seconds for which it must have run so.'), default: 10 },
        ...REDEPLOY_INPUTS,
        new_job_id: text('Id of the new job; default: derived from the action execution.'),
        poll_interval: POLL,
      },
      ['job_id', 'jar'],
    ),
    result: result('The new job, and the savepoint it started from.', {
      job_id: 'string',
      old_job_id: 'string',
      savepoint: 'string',
      state: 'string',
      name: 'string',
      web_url: 'string',
    }),
    examples: [
      {
        title: 'A new version, and the old one when it fails',
        yaml: 'upgrade:\n  action: flink.upgrade\n  input:\n    cluster: analytics\n    job_id: <% $.job %>\n    jar: /srv/jobs/stream-1.5.jar\n    rollback:\n      jar: /srv/jobs/stream-1.4.jar\n    target_directory: file:///srv/savepoints\n  publish:\n    job: <% task().result.job_id %>\n',
      },
    ],
  },
  sql: {
    description:
      'Runs SQL through the SQL gateway: statements one after the other in one session, up to max_rows rows of a SELECT, and for INSERTs, if wanted, until their jobs are over.',
    parameters: parameters(
      {
        ...GATEWAY_INPUTS,
        url: text('Address of the JobManager, where wait_for is running or finished; default: that of cluster.'),
        statements: {
          type: ['array', 'null'],
          items: { type: 'string' },
          description: 'One statement each; or give script.',
        },
        script: text('Statements with ; between them.'),
        properties: {
          type: ['object', 'null'],
          description: 'Settings of the session, such as execution.runtime-mode.',
        },
        session_name: text('For people.'),
        job_name: text('Jobs of INSERTs are called so, with a mark of this run behind it. Default: sql.'),
        fixed_job_ids: flag(
          'Give the jobs of INSERTs ids of ours, so that the cluster itself refuses a second one when an answer was lost; by an option that Flink keeps to itself (1.20 and 2.3 know it). Else they are looked for by their names.',
          false,
        ),
        max_rows: {
          type: ['integer', 'null'],
          minimum: 0,
          default: 1000,
          description: 'Of a SELECT; then its job is cancelled.',
        },
        wait_for: {
          ...choice(['submitted', 'running', 'finished'], 'What INSERTs are waited for.'),
          default: 'submitted',
        },
        on_cancel: {
          ...choice(['cancel', 'detach'], 'What becomes of a job that is waited for when the workflow is cancelled.'),
          default: 'cancel',
        },
        timeout: seconds('Seconds for all of it.'),
        poll_interval: POLL,
        not_found_grace: { ...seconds('For how long the cluster may not know a job.'), default: 60 },
      },
      [],
    ),
    result: {
      description: 'For each statement its kind and what it gave; beside it columns and rows of the last one.',
      schema: {
        type: 'object',
        properties: {
          results: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                statement: { type: 'string' },
                kind: { type: 'string', enum: ['QUERY', 'INSERT', 'OTHER'] },
                job_id: { type: 'string' },
                columns: { type: 'array' },
                rows: { type: 'array', items: { type: 'object' } },
                truncated: { type: 'boolean' },
              },
            },
          },
          columns: { type: ['array', 'null'] },
          rows: { type: ['array', 'null'] },
        },
      },
    },
    examples: [
      {
        title: 'Fill a table, then read it',
        yaml: 'report:\n  action: flink.sql\n  input:\n    cluster: analytics\n    wait_for: finished\n    statements:\n      - INSERT INTO daily SELECT k, SUM(v) FROM totals GROUP BY k\n      - SELECT * FROM daily\n  publish:\n    rows: <% task().result.rows %>\n',
      },
    ],
  },
} as const satisfies Record<string, Operation>;
