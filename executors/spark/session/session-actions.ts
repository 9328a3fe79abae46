import { isJsonObject, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { Action, JobAction } from '../../action.ts';
import type { JobBackend } from '../../jobs/backend.ts';
import type { SparkOptions } from '../plan.ts';
import { PROPERTIES as SUBMIT_INPUTS } from '../submit.ts';
import { parametersOf } from '../systems/client.ts';
import { endpointOf, SYSTEMS } from '../systems/endpoints.ts';
import { createRemoteBackend } from '../systems/remote-backend.ts';
import { CODE_INPUTS, fieldsOf, jobAction, KIND } from '../systems/run-actions.ts';
import type { SystemRuns } from '../systems/runs.ts';
import { SERVER_INPUTS, type SparkServers } from '../systems/servers.ts';
import { sessionRuns } from '../systems/session-runs.ts';
import { statementRuns } from '../systems/statement-runs.ts';
import { withLeasedMaster } from '../via.ts';
import { sessionCloseBackend } from './close-backend.ts';
import { PASSED_ON, sessionOpenBackend } from './open-backend.ts';
import { remoteCloseBackend } from './remote-close.ts';
import { sessionStatementBackend } from './statement-backend.ts';

/** Sessions that take code (spec/spark.md §8.2): on Livy, on Lighter, or kept by this server on its own host (§9.4). */
export function sessionActions(servers: SparkServers, options: SparkOptions): readonly Action[] {
  return [openAction(servers, options), executeAction(servers, options), closeAction(servers, options)];
}

interface Keepers {
  readonly process: JobBackend;
  readonly livy: JobBackend;
  readonly lighter: JobBackend;
}

/** The backends of an action, and the choice of the one that keeps the session; `via` of anything else is the process. */
function among(
  { process, livy, lighter }: Keepers,
  via: (input: JsonObject) => Json | undefined,
): Required<Pick<JobAction, 'backend' | 'others' | 'choose'>> {
  return {
    backend: process,
    others: [livy, lighter],
    choose: (input) => {
      switch (via(input)) {
        case 'lighter':
          return lighter;
        case 'livy':
          return livy;
        default:
          return process;
      }
    },
  };
}

const SESSION: JsonObject = {
  type: 'object',
  description: 'The session: `result` of spark.session.open.',
};

const VIA: JsonObject = {
  type: ['string', 'null'],
  enum: ['process', 'livy', 'lighter', null],
  default: 'process',
  description:
    "What keeps the session: a process on the executor's host, started with its spark-submit; Livy; or Lighter (these with connection or url).",
};

function openAction(servers: SparkServers, options: SparkOptions): JobAction {
  const process = withLeasedMaster(sessionOpenBackend(options));
  const livy = createRemoteBackend(withoutInputsOfProcess('livy'), servers);
  const lighter = createRemoteBackend(withoutInputsOfProcess('lighter'), servers);
  const fields = [
    ...parametersOf(endpointOf(SYSTEMS.livy, 'livy.sessions.create')),
    ...parametersOf(endpointOf(SYSTEMS.lighter, 'lighter.sessions.create')),
  ];
  const own = Object.fromEntries(PASSED_ON.map((name) => [name, SUBMIT_INPUTS[name] ?? {}]));
  const action = jobAction(
    {
      name: 'spark.session.open',
      description:
        'Starts an interactive session and waits until it takes code: on Livy, on Lighter, or as a process of the executor’s host, which outlives a restart of the server. Close it with spark.session.close.',
      inputs: { via: VIA, ...own, ...fieldsOf(fields), kind: KIND, idle_timeout: IDLE, max_rows: MAX_ROWS },
      required: [],
      resultText:
        'What is known of the session; `result` is the handle for spark.session.execute and spark.session.close.',
      example: {
        title: 'A session for several tasks',
        yaml: 'open:\n  action: spark.session.open\n  input: {master: "local[2]", kind: pyspark, idle_timeout: 30m}\n  publish:\n    session: <% task().result.result %>\n  on-success: count\ncount:\n  action: spark.session.execute\n  input: {session: <% $.session %>, code: spark.range(10).count()}\n',
      },
    },
    process,
  );
  return {
    ...action,
    ...among({ process, livy, lighter }, ({ via }) => via),
  };
}

/** What only spark-submit on this host understands is refused, not left out unseen. */
function withoutInputsOfProcess(system: 'livy' | 'lighter'): SystemRuns {
  const runs = sessionRuns(system);
  const own = new Set(parametersOf(endpointOf(SYSTEMS[system], `${system}.sessions.create`)).map(({ name }) => name));
  const others = [...PASSED_ON, 'max_rows'].filter((name) => name !== 'cluster' && !own.has(name));
  return {
    ...runs,
    wrongInput: (input) => {
      const wrong = others.find((name) => (input[name] ?? null) !== null);
      return wrong === undefined ? runs.wrongInput(input) : `${wrong} is not for via: ${system}.`;
    },
  };
}

const IDLE: JsonObject = {
  type: ['string', 'number', 'null'],
  description:
    'Longest time without a statement, such as 30m; the session ends then. On the executor’s host it counts from the end of the last statement; default there: 1h.',
};
const MAX_ROWS: JsonObject = {
  type: ['integer', 'null'],
  minimum: 1,
  default: 1000,
  description: 'Rows of a table that a statement hands back (via: process); `truncated` tells that there are more.',
};

function executeAction(servers: SparkServers, options: SparkOptions): JobAction {
  const process = sessionStatementBackend(options);
  const livy = createRemoteBackend(named(statementRuns('livy')), servers, toStatementInput);
  const lighter = createRemoteBackend(named(statementRuns('lighter')), servers, toStatementInput);
  const action = jobAction(
    {
      name: 'spark.session.execute',
      description: 'Runs code in an open session and waits for its end. It is never run twice.',
      inputs: { session: SESSION, kind: KIND, ...CODE_INPUTS },
      required: ['session', 'code'],
      resultText:
        'What is known of the statement; `result` is its value: JSON, a table as {schema, data}, or text. In a session of this host the value of the last line is printed as a shell does; `%json name` as the last line gives that value as JSON.',
      example: {
        title: 'Code in an open session',
        yaml: 'count:\n  action: spark.session.execute\n  input:\n    session: <% $.session %>\n    kind: sql\n    code: SELECT count(*) AS n FROM events\n  publish:\n    rows: <% task().result.result.data[0][0] %>\n',
      },
    },
    process,
  );
  return {
    ...action,
    ...among({ process, livy, lighter }, ({ session }) => viaOf(session)),
  };
}

function named(runs: SystemRuns): SystemRuns {
  return { ...runs, backend: `${runs.backend}-s` };
}

function viaOf(session: JsonObject[string] | undefined): string {
  return isJsonObject(session) && typeof session.via === 'string' ? session.via : 'process';
}

/** The input of livy.execute or lighter.execute. */
function toStatementInput(input: JsonObject): JsonObject {
  const { session, kind, connection, url, cluster = null, ...rest } = input;
  if (!isJsonObject(session)) return { ...rest, session_id: null };
  const code = kind ?? session.kind ?? null;
  return {
    ...rest,
    session_id: session.id ?? null,
    ...(session.via === 'livy' && code !== null && { kind: code }),
    // Where the session is, unless the input says it anew.
    ...((connection ?? url ?? cluster) === null
      ? { connection: session.connection ?? null, url: session.url ?? null }
      : { connection: connection ?? null, url: url ?? null, cluster }),
  };
}

function closeAction(servers: SparkServers, options: SparkOptions): JobAction {
  const process = sessionCloseBackend(options);
  const livy = remoteCloseBackend('livy', servers, toStatementInput);
  const lighter = remoteCloseBackend('lighter', servers, toStatementInput);
  return {
    name: 'spark.session.close',
    description: 'Ends a session. One that is gone already is no error.',
    kind: 'job',
    repeatSafe: true,
    parameters: {
      type: 'object',
      properties: { session: SESSION, ...SERVER_INPUTS },
      required: ['session'],
      additionalProperties: false,
    },
    result: { description: 'null.' },
    examples: [{ title: 'Close it', yaml: 'close:\n  action: spark.session.close session=<% $.session %>\n' }],
    ...among({ process, livy, lighter }, ({ session }) => viaOf(session)),
  };
}
