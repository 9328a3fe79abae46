import type { JsonObject } from '../../../dsl/json.ts';
import { success, type Action, type JobAction, type SyncAction } from '../../action.ts';
import type { JobBackend } from '../../jobs/backend.ts';
import { refused } from '../outcome.ts';
import { readApplication } from '../ui.ts';
import type { Parameter } from './endpoint.ts';
import { callFailed } from './failures.ts';
import { LIGHTER_SUBMIT } from './lighter-endpoints.ts';
import { lighterRuns } from './lighter-runs.ts';
import { LIVY_SUBMIT } from './livy-endpoints.ts';
import { livyRuns } from './livy-runs.ts';
import { mistRuns } from './mist-runs.ts';
import { createRemoteBackend } from './remote-backend.ts';
import { RUN_INPUTS, toRemotePlan, withNotes } from './run-plan.ts';
import type { SystemRuns } from './runs.ts';
import { clientOf, SERVER_INPUTS, serverOf, type SparkServers } from './servers.ts';
import { standaloneRuns } from './standalone-runs.ts';
import { statementRuns } from './statement-runs.ts';
import { COMMON_RESULT } from '../result-schema.ts';

/** The actions that run something to its end on a server for Spark jobs (spec/spark.md §8.2). */
export function runActions(servers: SparkServers): readonly Action[] {
  return [
    run(servers, mistRuns, MIST),
    run(servers, lighterRuns, LIGHTER),
    run(servers, livyRuns, LIVY),
    run(servers, statementRuns('lighter'), LIGHTER_EXECUTE),
    run(servers, statementRuns('livy'), LIVY_EXECUTE),
    waitAction(servers),
    killAction(servers),
    progressAction(servers),
  ];
}

export interface RunDeclaration {
  readonly name: string;
  readonly description: string;
  readonly inputs: Readonly<Record<string, JsonObject>>;
  readonly required: readonly string[];
  readonly resultText: string;
  readonly example: { readonly title: string; readonly yaml: string };
}

function run(servers: SparkServers, runs: SystemRuns, declared: RunDeclaration): JobAction {
  return jobAction(declared, createRemoteBackend(runs, servers));
}

export function jobAction(declared: RunDeclaration, backend: JobBackend): JobAction {
  return {
    name: declared.name,
    description: declared.description,
    kind: 'job',
    repeatSafe: true,
    parameters: {
      type: 'object',
      properties: { ...declared.inputs, ...SERVER_INPUTS, ...RUN_INPUTS },
      required: declared.required,
      additionalProperties: false,
    },
    result: { description: declared.resultText, schema: COMMON_RESULT },
    examples: [declared.example],
    backend,
  };
}

const COMMON_TEXT = "What is known of the run; `result` is the job's own value.";

const MIST: RunDeclaration = {
  name: 'mist.run',
  description: 'Calls an endpoint (function) of Mist and waits for the end of the job. It is never started twice.',
  inputs: {
    endpoint: { type: 'string', description: 'Name of the endpoint (function).' },
    args: { type: ['object', 'null'], description: 'Arguments by name.' },
    context: { type: ['string', 'null'], description: "Context to run in instead of the endpoint's own." },
    worker_id: { type: ['string', 'null'], description: 'Worker to run on (until 1.0-RC11).' },
    start_timeout: { type: ['string', 'null'], description: 'How long it may wait for a worker: `10s`, `10minute`.' },
    perform_timeout: { type: ['string', 'null'], description: 'How long it may run.' },
  },
  required: ['endpoint'],
  resultText: "What is known of the run; `result` is what the function returned: Mist's jobResult.",
  example: {
    title: 'Call a function and use what it returns',
    yaml: 'score:\n  action: mist.run\n  input:\n    connection: mist\n    endpoint: score-users\n    args: {day: <% $.day %>}\n    timeout: 3600\n  publish:\n    score: <% task().result.result.score %>\n',
  },
};

export const fieldsOf = (fields: readonly Parameter[]): Record<string, JsonObject> =>
  Object.fromEntries(fields.map(({ name, schema }) => [name, schema]));
const FILE: JsonObject = {
  type: 'string',
  description: 'The application: a path or address that the server can read.',
};

const LIGHTER: RunDeclaration = {
  name: 'lighter.run',
  description: 'Submits a batch to Lighter and waits for its end. It is never submitted twice.',
  inputs: { file: FILE, ...fieldsOf(LIGHTER_SUBMIT) },
  required: ['file'],
  resultText: COMMON_TEXT,
  example: {
    title: 'A Python script on Kubernetes through Lighter',
    yaml: 'score:\n  action: lighter.run\n  input:\n    connection: nightly\n    file: local:///opt/jobs/score.py\n    args: ["--day", "<% $.day %>"]\n    conf: {spark.sql.shuffle.partitions: 64}\n    timeout: 7200\n',
  },
};

const LIVY: RunDeclaration = {
  name: 'livy.run',
  description:
    'Submits a batch to Livy and waits for its end. Its name carries a key, so Livy refuses it a second time.',
  inputs: { file: FILE, ...fieldsOf(LIVY_SUBMIT) },
  required: ['file'],
  resultText: COMMON_TEXT,
  example: {
    title: 'A class of a jar on YARN through Livy',
    yaml: 'load:\n  action: livy.run\n  input:\n    connection: yarn\n    file: hdfs:///jobs/load.jar\n    class_name: com.example.Load\n    args: ["<% $.day %>"]\n    queue: nightly\n    timeout: 7200\n',
  },
};

export const CODE_INPUTS: Readonly<Record<string, JsonObject>> = {
  code: { type: 'string', description: 'The code.' },
  close_on_cancel: {
    type: ['boolean', 'null'],
    default: false,
    description: 'Close the whole session when the statement does not end within kill_grace after a cancel.',
  },
};
const SESSION_ID: JsonObject = { type: ['string', 'integer'], description: 'The session.' };
export const KIND: JsonObject = {
  type: ['string', 'null'],
  enum: ['spark', 'pyspark', 'sparkr', 'sql', null],
  description: "Language of the code; default: the session's.",
};

const LIVY_EXECUTE: RunDeclaration = {
  name: 'livy.execute',
  description: 'Runs code in a session of Livy and waits for its end.',
  inputs: { session_id: SESSION_ID, kind: KIND, ...CODE_INPUTS },
  required: ['session_id', 'code'],
  resultText: 'What is known of the statement; `result` is its value: JSON, a table as {schema, data}, or text.',
  example: {
    title: 'SQL in a session',
    yaml: 'count:\n  action: livy.execute\n  input:\n    connection: yarn\n    session_id: <% $.session %>\n    kind: sql\n    code: SELECT count(*) FROM events\n',
  },
};

const LIGHTER_EXECUTE: RunDeclaration = {
  name: 'lighter.execute',
  description: 'Runs Python code in a session of Lighter and waits for its end.',
  inputs: { session_id: SESSION_ID, ...CODE_INPUTS },
  required: ['session_id', 'code'],
  resultText: 'What is known of the statement; `result` is the text it printed.',
  example: {
    title: 'Python in a session',
    yaml: 'count:\n  action: lighter.execute\n  input:\n    connection: nightly\n    session_id: <% $.session %>\n    code: spark.range(10).count()\n',
  },
};

const WAITED: Readonly<Record<string, SystemRuns>> = {
  mist: mistRuns,
  lighter: lighterRuns,
  livy: livyRuns,
  standalone: standaloneRuns,
};
const BACKEND: JsonObject = { type: 'string', enum: Object.keys(WAITED), description: 'The system that runs the job.' };
const JOB_ID: JsonObject = { type: ['string', 'integer'], description: "The job's id there." };

/** One backend per system, each of which adopts a job that others have started. */
function waitAction(servers: SparkServers): JobAction {
  const backends = new Map(
    Object.entries(WAITED).map(([system, runs]) => [system, waitBackend(runs, servers)] as const),
  );
  const first = backends.get('mist') ?? waitBackend(mistRuns, servers);
  const action = jobAction(
    {
      name: 'spark.wait',
      description:
        'Waits for the end of a job that was submitted before, by `wait_for: submitted` or by somebody else. A cancel leaves the job alone unless on_cancel: kill.',
      inputs: { backend: BACKEND, id: JOB_ID },
      required: ['backend', 'id'],
      resultText: COMMON_TEXT,
      example: {
        title: 'Submit first, wait later',
        yaml: 'await_load:\n  action: spark.wait\n  input:\n    backend: livy\n    connection: yarn\n    id: <% $.batch %>\n    timeout: 7200\n',
      },
    },
    first,
  );
  return {
    ...action,
    others: [...backends.values()].filter((backend) => backend !== first),
    choose: (input) => backends.get(String(input.backend)) ?? first,
  };
}

function waitBackend(runs: SystemRuns, servers: SparkServers): JobBackend {
  const adopting: SystemRuns = {
    ...runs,
    backend: `${runs.backend}-wait`,
    wrongInput: () => null,
    nameOf: () => null,
    submit: () => Promise.reject(new Error('spark.wait submits nothing.')),
  };
  const detached = (input: JsonObject): JsonObject => ({ on_cancel: 'detach', on_timeout: 'detach', ...input });
  const backend = createRemoteBackend(adopting, servers, detached);
  return {
    ...backend,
    stage: async (job, { input }) => {
      const plan = toRemotePlan(job.data);
      const data = withNotes(plan, { foreign: true });
      return { kind: 'found', update: { externalId: String(input.id), data } };
    },
  };
}

const KILLS: Readonly<Record<string, string>> = {
  mist: 'mist.jobs.cancel',
  lighter: 'lighter.batches.delete',
  livy: 'livy.batches.delete',
  standalone: 'spark.submissions.kill',
};

function killAction(servers: SparkServers): SyncAction {
  return {
    name: 'spark.kill',
    description: 'Asks for the end of a job. Lighter and Livy forget a job, with its log, when it is killed.',
    kind: 'sync',
    repeatSafe: true,
    parameters: {
      type: 'object',
      properties: { backend: BACKEND, id: JOB_ID, ...SERVER_INPUTS },
      required: ['backend', 'id'],
      additionalProperties: false,
    },
    result: { description: "The server's answer." },
    examples: [
      {
        title: 'End a batch',
        yaml: 'stop:\n  action: spark.kill backend=livy connection=yarn id=<% $.batch %>\n',
      },
    ],
    run: async (input, context) => {
      const runs = WAITED[String(input.backend)];
      const name = KILLS[String(input.backend)];
      if (runs === undefined || name === undefined)
        return refused('SPARK_BAD_INPUT', `backend must be one of ${Object.keys(WAITED).join(', ')}.`, 'spark');
      const found = serverOf(input, runs.system, servers);
      if ('problem' in found) return found.problem;
      try {
        return success(await clientOf(runs.system, found.server).call(name, { id: input.id ?? null }, context.signal));
      } catch (error) {
        context.signal.throwIfAborted();
        return callFailed(error, runs.system, String(input.id));
      }
    },
  };
}

function progressAction(servers: SparkServers): SyncAction {
  return {
    name: 'spark.progress',
    description: "Reads a running application's figures from its web page or from a history server.",
    kind: 'sync',
    repeatSafe: true,
    parameters: {
      type: 'object',
      properties: {
        ui_url: { type: 'string', description: 'Address of the page: `ui_url` of a run, or a history server.' },
        app_id: { type: ['string', 'null'], description: 'The application; default: the first that the page shows.' },
      },
      required: ['ui_url'],
      additionalProperties: false,
    },
    result: {
      description:
        'Jobs, tasks and stages: {app_id, jobs_total, jobs_done, tasks_total, tasks_done, tasks_failed, stages_active}.',
    },
    examples: [{ title: 'How far is it', yaml: 'look:\n  action: spark.progress ui_url=<% $.ui %>\n' }],
    run: async (input, context) => {
      const appId = typeof input.app_id === 'string' && input.app_id !== '' ? input.app_id : null;
      try {
        return success(await readApplication(String(input.ui_url), appId, servers.forUsers, context.signal));
      } catch (error) {
        context.signal.throwIfAborted();
        return callFailed(error, 'spark', appId);
      }
    },
  };
}
