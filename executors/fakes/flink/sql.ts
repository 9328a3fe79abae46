import { randomUUID } from 'node:crypto';
import { ok, problem, serverProblem, stackOf } from './answers.ts';
import { createJob, newId, type Answer, type Exchange, type FakeOperation, type FakeSession } from './state.ts';

/**
 * A SQL gateway. `SELECT a, b` gives three rows of numbers, `SELECT … endless` one row now and then; INSERTs start a job; a statement with the word
 * `broken` fails when its results are fetched, as Flink's do.
 */

export const apiVersions = (): Answer => ok({ versions: ['V1', 'V2', 'V3', 'V4'] });

export function info({ fake }: Exchange): Answer {
  return ok({ productName: 'Apache Flink', version: fake.switches.version });
}

export function openSession({ fake, body }: Exchange): Answer {
  const input = parse(body);
  const handle = randomUUID();
  const properties = (input.properties ?? {}) as Record<string, string>;
  fake.sessions.set(handle, { properties, objects: new Set(), operations: new Map() });
  return ok({ sessionHandle: handle });
}

export const getSession = inSession('getSessionConfig', (session) => ok({ properties: session.properties }));

export const heartbeat = inSession('heartbeat', () => ok({}));

export const closeSession = inSession('closeSession', (_, { fake, ids }) => {
  fake.sessions.delete(ids[0] ?? '');
  return ok({ status: 'CLOSED' });
});

export const configureSession = inSession('configureSession', (_, { fake, body }) => {
  fake.statements.push(String(parse(body).statement));
  return ok({});
});

export const completeStatement = inSession('completeStatement', (_, { body }) =>
  typeof parse(body).position === 'number'
    ? ok({ candidates: ['SELECT'] })
    : problem(
        400,
        stackOf([
          'org.apache.flink.runtime.rest.handler.RestHandlerException: Bad request received. Request did not conform to expected format.',
        ]),
      ),
);
export const refreshTable = inSession('refreshMaterializedTable', () => ok({ operationHandle: randomUUID() }));
export const deployScript = inSession('deployScript', () => ok({ clusterID: `application-${newId().slice(0, 8)}` }));

export const execute = inSession('executeStatement', (session, { fake, body }) => {
  const input = parse(body);
  if (typeof input.executionTimeout === 'number' && input.executionTimeout > 0)
    return serverProblem(
      stackOf([
        `${GATEWAY_EXCEPTION}: Failed to execute statement.`,
        "java.lang.UnsupportedOperationException: SqlGatewayService doesn't support timeout mechanism now.",
      ]),
    );
  const statement = String(input.statement);
  fake.statements.push(statement);
  const config = (input.executionConfig ?? {}) as Record<string, string>;
  const startsJob = /^\s*(?:INSERT|EXECUTE|SELECT)\b/i.test(statement) && !/\bbroken\b/i.test(statement);
  const name = config['pipeline.name'];
  const id = config['$internal.pipeline.job-id'] ?? newId();
  const isTaken = fake.jobs.has(id);
  const job = startsJob && !isTaken ? createJob(id, fake, name === undefined ? {} : { name }) : null;
  const handle = randomUUID();
  const failure = isTaken
    ? 'org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted.'
    : changeCatalog(statement, session, fake.sharedObjects);
  session.operations.set(handle, { statement, status: 'FINISHED', polls: 0, jobId: job?.id ?? null, failure });
  if (fake.switches.loseAnswers > 0) {
    fake.switches.loseAnswers--;
    return 'cut';
  }
  return ok({ operationHandle: handle });
});

/** What CREATE and DROP do; the reason when they cannot. */
function changeCatalog(statement: string, session: FakeSession, shared: Set<string>): string | null {
  const [, verb = '', name = ''] =
    /^\s*(CREATE|DROP)\s+(?:TEMPORARY\s+)?(?:TABLE|VIEW)\s+([\w.]+)/i.exec(statement) ?? [];
  if (name === '') return null;
  const objects = name.startsWith('shared.') ? shared : session.objects;
  const catalog = 'org.apache.flink.table.catalog.exceptions';
  if (verb.toUpperCase() === 'DROP')
    return objects.delete(name)
      ? null
      : `org.apache.flink.table.api.ValidationException: Table with identifier '${name}' does not exist.`;
  if (objects.has(name))
    return `${catalog}.TableAlreadyExistException: Table (or view) ${name} already exists in Catalog default_catalog.`;
  objects.add(name);
  return null;
}

export const operationStatus = inOperation('getOperationInfo', (operation) => ok({ status: operation.status }));

export const cancelOperation = inOperation('cancelOperation', (operation, { ids }) =>
  sqlProblem(
    'cancelOperation',
    `Failed to convert the Operation Status from ${operation.status} to CANCELED for ${ids[1]}.`,
  ),
);

export const closeOperation = inOperation('closeOperation', (operation, { fake, ids }) => {
  fake.sessions.get(ids[0] ?? '')?.operations.delete(ids[1] ?? '');
  const job = operation.jobId === null ? undefined : fake.jobs.get(operation.jobId);
  if (job !== undefined && /^\s*SELECT/i.test(operation.statement)) job.state = 'CANCELED';
  return ok({ status: 'CLOSED' });
});

export const fetchResults = inOperation('fetchResults', (operation, exchange) => {
  const { statement, jobId, failure } = operation;
  if (failure !== null) return failedResults(exchange.ids[1] ?? '', failure);
  const [session, handle, token = '0'] = exchange.ids;
  if (/\bbroken\b/i.test(statement))
    return failedResults(
      handle ?? '',
      "org.apache.calcite.runtime.CalciteContextException: From line 1, column 15 to line 1, column 20: Object 'broken' not found",
    );
  // The first question comes too early.
  if (operation.polls++ === 0)
    return ok({
      resultType: 'NOT_READY',
      nextResultUri: `/v2/sessions/${session}/operations/${handle}/result/0?rowFormat=JSON`,
    });
  const next = `/v2/sessions/${session}/operations/${handle}/result/${Number(token) + 1}?rowFormat=JSON`;
  const select = /^\s*SELECT\s+(.*?)(?:\s+FROM\b.*)?$/is.exec(statement);
  if (select === null) {
    const isJob = jobId !== null;
    const column = isJob ? 'job id' : 'result';
    const rows = Number(token) === 0 ? [{ kind: 'INSERT', fields: [isJob ? jobId : 'OK'] }] : [];
    return payload({ column: [column], rows, jobId, isQuery: false, next: rows.length > 0 ? next : null });
  }
  const names = (select[1] ?? '').split(',').map((one) => one.trim());
  const isEndless = /\bendless\b/i.test(statement);
  const row = (number: number) => ({ kind: 'INSERT', fields: names.map((_, index) => number * (index + 1)) });
  const rows = isEndless ? [row(Number(token))] : Number(token) === 1 ? [row(1), row(2), row(3)] : [];
  // An empty part at first means "nothing yet".
  return payload({ column: names, rows, jobId, isQuery: true, next: isEndless || Number(token) < 2 ? next : null });
});

function payload(of: {
  readonly column: readonly string[];
  readonly rows: readonly unknown[];
  readonly jobId: string | null;
  readonly isQuery: boolean;
  readonly next: string | null;
}): Answer {
  return ok({
    resultType: of.next === null ? 'EOS' : 'PAYLOAD',
    isQueryResult: of.isQuery,
    ...(of.jobId !== null && { jobID: of.jobId }),
    resultKind: 'SUCCESS_WITH_CONTENT',
    results: {
      columns: of.column.map((name) => ({ name, logicalType: { type: 'INTEGER', nullable: true }, comment: null })),
      rowFormat: 'JSON',
      data: of.rows,
    },
    ...(of.next !== null && { nextResultUri: of.next }),
  });
}

function inSession(
  what: string,
  answer: (session: FakeSession, exchange: Exchange) => Answer,
): (exchange: Exchange) => Answer {
  return (exchange) => {
    const session = exchange.fake.sessions.get(exchange.ids[0] ?? '');
    if (session !== undefined) return answer(session, exchange);
    return sqlProblem(what, `Session '${exchange.ids[0]}' does not exist.`);
  };
}

function inOperation(
  what: string,
  answer: (operation: FakeOperation, exchange: Exchange) => Answer,
): (exchange: Exchange) => Answer {
  return inSession(what, (session, exchange) => {
    const operation = session.operations.get(exchange.ids[1] ?? '');
    if (operation !== undefined) return answer(operation, exchange);
    return sqlProblem(
      what,
      `Can not find the submitted operation in the OperationManager with the ${exchange.ids[1]}.`,
    );
  });
}

function sqlProblem(what: string, cause: string): Answer {
  return problem(
    500,
    stackOf([
      `org.apache.flink.runtime.rest.handler.RestHandlerException: Failed to ${what}.`,
      `${GATEWAY_EXCEPTION}: Failed to ${what}.`,
      `${GATEWAY_EXCEPTION}: ${cause}`,
    ]),
  );
}

/** Why a statement failed shows where its results are fetched. */
function failedResults(handle: string, cause: string): Answer {
  const failed = `${GATEWAY_EXCEPTION}: Failed to fetchResults.`;
  return serverProblem(
    stackOf([
      `${GATEWAY_EXCEPTION}: ${failed}`,
      failed,
      `org.apache.flink.table.gateway.service.utils.SqlExecutionException: Failed to execute the operation ${handle}.`,
      cause,
    ]),
  );
}

const GATEWAY_EXCEPTION = 'org.apache.flink.table.gateway.api.utils.SqlGatewayException';

function parse(body: Buffer): Record<string, unknown> {
  return JSON.parse(body.length === 0 ? '{}' : body.toString('utf8')) as Record<string, unknown>;
}
