import {
  badParameter,
  ok,
  operation,
  problem,
  refusal,
  serverProblem,
  stackOf,
  stopRemoved,
  unknownJob,
} from './answers.ts';
import { atLeast, isOver, newId, type Answer, type Exchange, type FakeJob, type FakeState } from './state.ts';

/** Of the two vertices of each job. */
export const VERTICES = ['cbc357ccb763df2852fee8c4fc7d55f2', '20ba6b65f97481d5570070de90e4e791'] as const;

/** The job of the path's first id, or the answer for one that is not known. */
export function jobOf({ fake, ids }: Exchange, status = 404): FakeJob | { readonly answer: Answer } {
  const id = (ids[0] ?? '').toLowerCase();
  const job = fake.switches.forgetful ? undefined : fake.jobs.get(id);
  return job ?? { answer: unknownJob(id, status) };
}

export function onJob(
  answer: (job: FakeJob, exchange: Exchange) => Answer,
  status = 404,
): (exchange: Exchange) => Answer {
  return (exchange) => {
    const job = jobOf(exchange, status);
    return 'answer' in job ? job.answer : answer(job, exchange);
  };
}

export function jobIds({ fake }: Exchange): Answer {
  return ok({ jobs: [...fake.jobs.values()].map(({ id, state }) => ({ id, status: state })) });
}

export function jobsOverview({ fake }: Exchange): Answer {
  return ok({ jobs: listed(fake).map((job) => overviewOf(job, fake)) });
}

function listed(fake: FakeState): readonly FakeJob[] {
  return fake.switches.unlisted ? [] : [...fake.jobs.values()];
}

export function overviewOf(job: FakeJob, fake: FakeState): unknown {
  const end = isOver(job) ? job.startTime + 6333 : -1;
  return {
    jid: job.id,
    name: job.name,
    ...(atLeast(fake, '2.3') && {
      jobType: 'STREAMING',
      schedulerType: fake.switches.adaptive ? 'Adaptive' : 'Default',
    }),
    'start-time': job.startTime,
    'end-time': end,
    duration: end < 0 ? Date.now() - job.startTime : 6333,
    state: job.state,
    'last-modification': job.startTime,
    tasks: { running: job.state === 'RUNNING' ? 2 : 0, total: 2 },
  };
}

export function clusterOverview({ fake }: Exchange): Answer {
  const count = (state: string) => [...fake.jobs.values()].filter((job) => job.state === state).length;
  return ok({
    taskmanagers: 1,
    'slots-total': fake.switches.slots,
    'slots-available': fake.switches.slots - fake.switches.slotsTaken,
    'jobs-running': count('RUNNING'),
    'jobs-finished': count('FINISHED'),
    'jobs-cancelled': count('CANCELED'),
    'jobs-failed': count('FAILED'),
    'flink-version': fake.switches.version,
    'flink-commit': '0980485',
  });
}

export function details(job: FakeJob, { fake }: Exchange): Answer {
  const end = isOver(job) ? job.startTime + 6333 : -1;
  const word = job.state === 'RUNNING' ? 'RUNNING' : job.state;
  const metrics = {
    'read-bytes': 0,
    'read-bytes-complete': true,
    'write-bytes': 0,
    'write-bytes-complete': true,
    'read-records': 0,
    'read-records-complete': true,
    'write-records': 0,
    'write-records-complete': true,
  };
  const vertices = ['Source', 'Sink'].map((name, index) => ({
    id: VERTICES[index],
    name,
    maxParallelism: fake.switches.maxParallelism,
    parallelism: job.parallelism,
    status: fake.switches.deploying && word === 'RUNNING' ? 'DEPLOYING' : word,
    'start-time': job.startTime,
    'end-time': end,
    duration: 6333,
    tasks: {
      RUNNING: job.state === 'RUNNING' ? job.parallelism : 0,
      FINISHED: job.state === 'FINISHED' ? job.parallelism : 0,
    },
    metrics,
  }));
  return ok({
    jid: job.id,
    name: job.name,
    isStoppable: false,
    state: job.cachedState ?? job.state,
    ...(atLeast(fake, '1.20') && { 'job-type': 'STREAMING' }),
    'start-time': job.startTime,
    'end-time': end,
    duration: end < 0 ? Date.now() - job.startTime : 6333,
    maxParallelism: -1,
    now: Date.now(),
    timestamps: { CREATED: job.startTime },
    vertices,
    'status-counts': { RUNNING: job.state === 'RUNNING' ? 2 : 0, FINISHED: job.state === 'FINISHED' ? 2 : 0 },
    plan: { jid: job.id, name: job.name, nodes: [] },
  });
}

export function accumulators(job: FakeJob): Answer {
  return ok({
    'job-accumulators': [],
    'user-task-accumulators': Object.entries(job.cachedState === null ? job.accumulators : {}).map(([name, value]) => ({
      name,
      type: 'LongCounter',
      value,
    })),
    'serialized-user-task-accumulators': {},
  });
}

const WORDS: Readonly<Record<string, string>> = { FINISHED: 'SUCCEEDED', FAILED: 'FAILED', CANCELED: 'CANCELED' };

function executionResult(job: FakeJob): Answer {
  if (!isOver(job)) return ok({ status: { id: 'IN_PROGRESS' } });
  return ok({
    status: { id: 'COMPLETED' },
    'job-execution-result': {
      id: job.id,
      'application-status': WORDS[job.state] ?? 'UNKNOWN',
      'accumulator-results': {},
      'net-runtime': 6333,
    },
  });
}

export function exceptions(job: FakeJob, { fake }: Exchange): Answer {
  if (job.failure.length === 0) return ok({ exceptionHistory: { entries: [], truncated: false } });
  const stack = stackOf(job.failure);
  const entry = {
    exceptionName: (job.failure[0] ?? '').split(':')[0],
    stacktrace: stack,
    timestamp: 1_795_242_149_591,
    failureLabels: {},
    concurrentExceptions: [
      {
        exceptionName: 'java.lang.RuntimeException',
        stacktrace: stack,
        timestamp: 1_795_242_149_591,
        failureLabels: {},
        taskName: 'Source: numbers -> step',
        endpoint: '127.0.0.1:40001',
        taskManagerId: '127.0.0.1:40001-1',
      },
    ],
  };
  const history = { exceptionHistory: { entries: [entry], truncated: false } };
  return ok(
    atLeast(fake, '2.0')
      ? history
      : { 'root-exception': stack, timestamp: entry.timestamp, 'all-exceptions': [], truncated: false, ...history },
  );
}

export function cancelJob(exchange: Exchange): Answer {
  const { query, ids } = exchange;
  const mode = query.get('mode') ?? 'cancel';
  if (mode === 'stop') return stopRemoved();
  if (mode !== 'cancel') return badParameter('query', 'mode', mode);
  const job = jobOf(exchange);
  if ('answer' in job)
    return problem(
      404,
      stackOf([
        'org.apache.flink.runtime.rest.handler.RestHandlerException: Job could not be found.',
        `org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (${ids[0]})`,
      ]),
    );
  // Until 1.14 an ended job is not found.
  if (job.state === 'FINISHED' || job.state === 'FAILED') {
    return atLeast(exchange.fake, '1.15')
      ? refusal(
          409,
          `Job cancellation failed because the job has already reached another terminal state (${job.state}).`,
        )
      : refusal(404, 'Job could not be found.');
  }
  if (job.obeys) job.state = 'CANCELED';
  return ok({}, 202);
}

export function startSavepoint(how: 'savepoint' | 'stop'): (exchange: Exchange) => Answer {
  return ({ fake, ids, body }) => {
    const input = JSON.parse(body.length === 0 ? '{}' : body.toString('utf8')) as Record<string, unknown>;
    const trigger = typeof input.triggerId === 'string' ? input.triggerId : newId();
    const job = fake.switches.forgetful ? undefined : fake.jobs.get(ids[0] ?? '');
    if (fake.switches.savepointDir === null && (input.targetDirectory ?? input['target-directory'] ?? null) === null)
      return refusal(
        400,
        `Config key [execution.checkpointing.savepoint-dir] is not set. Property [${how === 'stop' ? 'targetDirectory' : 'target-directory'}] must be provided.`,
      );
    // A trigger on a job that is unknown or over is taken and fails in its state.
    if (job === undefined || isOver(job)) {
      const failure = `org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (${ids[0]})`;
      fake.triggers.set(trigger, { polls: 0, failure });
      return ok({ 'request-id': trigger }, 202);
    }
    // The same trigger id is the same savepoint.
    if (!job.savepoints.has(trigger)) {
      const failure = failureOf(job, fake);
      const folder = String(input.targetDirectory ?? input['target-directory'] ?? fake.switches.savepointDir);
      const location = failure === null ? `${folder}/savepoint-${job.history.length + 1}` : null;
      job.savepoints.set(trigger, { polls: fake.switches.pendingPolls, location, failure, checkpointId: 0 });
      if (location !== null)
        job.history.unshift({ id: job.history.length + 1, isSavepoint: true, path: location, at: Date.now() });
      if (failure === null && how === 'stop') job.state = 'FINISHED';
      if (failure === null && input['cancel-job'] === true) job.state = 'CANCELED';
    }
    return ok({ 'request-id': trigger }, 202);
  };
}

function failureOf(job: FakeJob, fake: FakeState): string | null {
  if (!fake.switches.deploying) return fake.switches.failSavepoints;
  return stackOf([
    `java.util.concurrent.CompletionException: org.apache.flink.runtime.checkpoint.CheckpointException: Checkpoint triggering task Source (1/1) of job ${job.id} is not being executed at the moment. Aborting checkpoint. Failure reason: Not all required tasks are currently running.`,
  ]);
}

export function savepoint({ fake, ids }: Exchange): Answer {
  const [id = '', trigger = ''] = ids;
  const found = fake.triggers.get(trigger) ?? fake.jobs.get(id)?.savepoints.get(trigger);
  if (found === undefined)
    return problem(
      404,
      stackOf([
        `org.apache.flink.runtime.rest.handler.RestHandlerException: There is no savepoint operation with triggerId=${trigger} for job ${id}.`,
      ]),
    );
  return operation(found, 'location' in found ? { location: found.location } : {});
}

export function startCheckpoint(job: FakeJob, { fake, body }: Exchange): Answer {
  const input = JSON.parse(body.length === 0 ? '{}' : body.toString('utf8')) as Record<string, unknown>;
  const trigger = typeof input.triggerId === 'string' ? input.triggerId : newId();
  if (!job.savepoints.has(trigger)) {
    const id = job.history.length + 1;
    const failure = failureOf(job, fake);
    const path = `file:/checkpoints/${job.id}/chk-${id}`;
    job.savepoints.set(trigger, { polls: fake.switches.pendingPolls, location: null, failure, checkpointId: id });
    if (failure === null) job.history.unshift({ id, isSavepoint: false, path, at: Date.now() });
  }
  return ok({ 'request-id': trigger }, 202);
}

export function checkpointState({ fake, ids }: Exchange): Answer {
  const [id = '', trigger = ''] = ids;
  const found = fake.jobs.get(id)?.savepoints.get(trigger);
  if (found === undefined) return refusal(404, `Operation not found under key: ${trigger}`);
  return operation(found, { checkpointId: found.checkpointId }, 'failureCause');
}

export function checkpoints(job: FakeJob, { fake }: Exchange): Answer {
  if (fake.switches.batch) return refusal(404, 'Checkpointing has not been enabled.');
  const spread = { min: 0, max: 0, avg: 0, p50: 'NaN', p90: 'NaN', p95: 'NaN', p99: 'NaN', p999: 'NaN' };
  const history = job.history.map(checkpointOf);
  // A job is made with a savepoint that older tests restore from.
  const latest = (isSavepoint: boolean) => history.find((one) => one.is_savepoint === isSavepoint) ?? null;
  const sample = {
    ...checkpointOf({ id: 1, isSavepoint: true, path: `file:/savepoints/of-${job.id}`, at: job.startTime }),
  };
  return ok({
    counts: { restored: 0, total: history.length, in_progress: 0, completed: history.length, failed: 0 },
    summary: { state_size: spread, end_to_end_duration: spread, processed_data: spread, persisted_data: spread },
    latest: { completed: latest(false), savepoint: latest(true) ?? sample, failed: null, restored: null },
    history,
  });
}

export function checkpointDetails(job: FakeJob, { ids }: Exchange): Answer {
  const found = job.history.find(({ id }) => id === Number(ids[1]));
  return found === undefined
    ? refusal(404, `Could not find checkpointing statistics for checkpoint ${ids[1]}.`)
    : ok(checkpointOf(found));
}

function checkpointOf({ id, isSavepoint, path, at }: FakeJob['history'][number]) {
  return {
    className: 'completed',
    id,
    status: 'COMPLETED',
    is_savepoint: isSavepoint,
    savepointFormat: isSavepoint ? 'CANONICAL' : null,
    trigger_timestamp: at,
    latest_ack_timestamp: at,
    checkpointed_size: 100,
    state_size: 100,
    end_to_end_duration: 5,
    alignment_buffered: 0,
    processed_data: 0,
    persisted_data: 0,
    num_subtasks: 2,
    num_acknowledged_subtasks: 2,
    checkpoint_type: isSavepoint ? 'SAVEPOINT' : 'CHECKPOINT',
    tasks: {},
    external_path: path,
    discarded: false,
  };
}

const NOT_ADAPTIVE =
  'java.lang.UnsupportedOperationException: The DefaultScheduler does not support changing the parallelism without a job restart. This feature is currently only expected to work with the AdaptiveScheduler.';

export function requirements(job: FakeJob, { fake }: Exchange): Answer {
  if (!fake.switches.adaptive) return serverProblem(NOT_ADAPTIVE);
  const parallelism = { lowerBound: 1, upperBound: job.parallelism };
  return ok(Object.fromEntries(VERTICES.map((id) => [id, { parallelism }])));
}

export function changeRequirements(job: FakeJob, { fake, body }: Exchange): Answer {
  if (!fake.switches.adaptive) return serverProblem(NOT_ADAPTIVE);
  const input = JSON.parse(body.toString('utf8')) as Record<
    string,
    { parallelism: { lowerBound: number; upperBound: number } }
  >;
  const refused = wrongRequirements(input, fake);
  if (refused !== null) return refusal(400, refused);
  job.parallelism = Math.min(fake.switches.slots, input[VERTICES[0]]?.parallelism.upperBound ?? 1);
  return ok({});
}

function wrongRequirements(
  input: Readonly<Record<string, { parallelism: { lowerBound: number; upperBound: number } }>>,
  fake: FakeState,
): string | null {
  const asked = Object.entries(input);
  const missing = VERTICES.find((id) => input[id] === undefined);
  const unknown = asked.find(([id]) => !VERTICES.some((known) => known === id));
  const most = fake.switches.maxParallelism;
  if (asked.length === 0) return 'Request body does not specify resource requirements.';
  if (unknown !== undefined) return `Job vertex [${unknown[0]}] was not found in the JobGraph.`;
  if (missing !== undefined) return `The request is incomplete, missing job vertex [${missing}] resource requirements.`;
  const lines = asked.flatMap(([id, { parallelism }]) => {
    const { lowerBound: lower, upperBound: upper } = parallelism;
    if (lower < 1 || upper < 1)
      return `Both, the requested lower bound [${lower}] and upper bound [${upper}] for job vertex [${id}] must be greater than zero.`;
    if (lower > upper)
      return `The requested lower bound [${lower}] for job vertex [${id}] is higher than the upper bound [${upper}].`;
    return upper > most
      ? `The newly requested parallelism ${upper} for the job vertex ${id} exceeds its maximum parallelism ${most}.`
      : [];
  });
  return lines.length === 0 ? null : lines.join('\n');
}

export function checkpointsConfig(job: FakeJob, { fake }: Exchange, recorded: unknown): Answer {
  return fake.switches.batch
    ? refusal(404, `Checkpointing is not enabled for this job (${job.id}).`)
    : ok({ ...(recorded as object), jid: job.id });
}

export function vertex({ ids }: Exchange, recorded: unknown): Answer {
  const [, id = ''] = ids;
  return VERTICES.some((known) => known === id)
    ? ok(recorded)
    : problem(404, stackOf([`org.apache.flink.runtime.rest.NotFoundException: JobVertex ${id} not found`]));
}

export function subtask(job: FakeJob, { ids }: Exchange, recorded: unknown): Answer {
  const [, vertexId, index, attempt = '0'] = ids;
  if (Number(index) >= job.parallelism) return refusal(404, `Invalid subtask index for vertex ${vertexId}`);
  return Number(attempt) > 0 ? refusal(404, `Invalid attempt num ${attempt}`) : ok(recorded);
}

export function cancelApplication({ fake, ids }: Exchange): Answer {
  const job = fake.jobs.get(ids[0] ?? '');
  if (job !== undefined && !isOver(job)) {
    job.state = 'CANCELED';
    return ok({}, 202);
  }
  return problem(
    404,
    stackOf([
      'org.apache.flink.runtime.rest.handler.RestHandlerException: Application could not be found.',
      `org.apache.flink.runtime.messages.FlinkApplicationNotFoundException: Could not find Flink application (${ids[0]})`,
    ]),
  );
}

/** The route of the result words it in its own way. */
export function resultOf(exchange: Exchange): Answer {
  const job = jobOf(exchange);
  if (!('answer' in job)) return executionResult(job);
  const cause = `org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (${exchange.ids[0]})`;
  return problem(
    404,
    stackOf([
      `org.apache.flink.runtime.rest.handler.RestHandlerException: ${cause}`,
      `java.util.concurrent.CompletionException: ${cause}`,
      cause,
    ]),
  );
}

export function jobMetrics({ fake, ids, query }: Exchange): Answer {
  // An unknown job has no metrics, and no error either.
  if (!fake.jobs.has(ids[0] ?? '') || fake.switches.forgetful) return ok([]);
  return ok([query.has('get') ? { id: 'numRestarts', value: '0' } : { id: 'numRestarts' }]);
}

export function dispose({ fake, body }: Exchange): Answer {
  const input = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  const path = input['savepoint-path'];
  if (typeof path !== 'string') return refusal(400, 'Field savepoint-path must not be omitted or be null.');
  const isThere = !/nowhere/.test(path);
  const trigger = newId();
  const failure = `java.util.concurrent.CompletionException: java.io.FileNotFoundException: Cannot find checkpoint or savepoint file/directory '${path}' on file system 'file'.`;
  fake.triggers.set(trigger, { polls: fake.switches.pendingPolls, failure: isThere ? null : failure });
  return ok({ 'request-id': trigger });
}

export function deleteDataset({ fake }: Exchange): Answer {
  const trigger = newId();
  fake.triggers.set(trigger, { polls: 0, failure: null });
  return ok({ 'request-id': trigger }, 202);
}

export function triggerState({ fake, ids }: Exchange): Answer {
  const found = fake.triggers.get(ids[0] ?? '');
  return found === undefined ? refusal(404, `Operation not found under key: ${ids[0]}`) : operation(found, {});
}
