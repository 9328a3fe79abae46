import {
  anything,
  flag,
  float,
  integer,
  list,
  map,
  nullable,
  object,
  openWord,
  optional,
  text,
  type Shape,
} from '../shapes.ts';
import { resources } from './cluster.ts';

/** Answers about jars, jobs and applications (spec/flink.md §1.3 to §1.6). */

/** Treat an unknown one as not terminal. */
export const jobState = openWord(
  'INITIALIZING',
  'CREATED',
  'RUNNING',
  'FAILING',
  'FAILED',
  'CANCELLING',
  'CANCELED',
  'FINISHED',
  'RESTARTING',
  'SUSPENDED',
  'RECONCILING',
);

/** Note the one L: a job is CANCELLING, a task CANCELING. */
export const taskState = openWord(
  'CREATED',
  'SCHEDULED',
  'DEPLOYING',
  'INITIALIZING',
  'RUNNING',
  'FINISHED',
  'CANCELING',
  'CANCELED',
  'FAILED',
  'RECONCILING',
);

const edge = object({ num: integer, id: text, ship_strategy: optional(text), exchange: optional(text) });

/** Also the plan of a job that is not known yet: then it is empty. */
export const planGraph = object({
  jid: optional(text),
  name: optional(text),
  type: optional(text),
  nodes: optional(
    list(
      object({
        id: text,
        parallelism: integer,
        operator: text,
        operator_strategy: text,
        description: text,
        inputs: optional(list(edge)),
      }),
    ),
  ),
});

export const plan = object({ plan: planGraph });

export const jars = object({
  address: text,
  files: list(
    object({
      id: text,
      name: text,
      uploaded: integer,
      entry: list(object({ name: text, description: nullable(text) })),
    }),
  ),
});

export const run = object({ jobid: text, applicationId: optional(text) });
export const applicationRun = object({ applicationid: text });
export const submitted = object({ jobUrl: text });

export const jobIds = object({ jobs: list(object({ id: text, status: jobState })) });

const overviewFields = {
  jid: text,
  name: text,
  'start-time': integer,
  'end-time': integer,
  duration: integer,
  state: jobState,
  'last-modification': integer,
  tasks: map(integer),
  jobType: optional(openWord('STREAMING', 'BATCH')),
  schedulerType: optional(nullable(text)),
  'pending-operators': optional(integer),
};

/** `end-time` is -1 while a job goes on. */
export const jobsOverview = object({ jobs: list(object(overviewFields)) });

/** Sums over subtasks; a `-complete` beside a figure tells whether all of them have sent theirs. */
export const ioMetrics = object({
  'read-bytes': integer,
  'read-bytes-complete': flag,
  'write-bytes': integer,
  'write-bytes-complete': flag,
  'read-records': integer,
  'read-records-complete': flag,
  'write-records': integer,
  'write-records-complete': flag,
  'accumulated-backpressured-time': optional(float),
  'accumulated-idle-time': optional(float),
  'accumulated-busy-time': optional(anything),
});

export const job = object({
  jid: text,
  name: text,
  isStoppable: flag,
  state: jobState,
  'job-type': optional(openWord('STREAMING', 'BATCH')),
  'start-time': integer,
  'end-time': integer,
  duration: integer,
  maxParallelism: optional(integer),
  now: integer,
  timestamps: map(integer),
  vertices: list(
    object({
      id: text,
      slotSharingGroupId: optional(text),
      name: text,
      maxParallelism: optional(integer),
      parallelism: integer,
      status: taskState,
      'start-time': integer,
      'end-time': integer,
      duration: integer,
      tasks: map(integer),
      metrics: ioMetrics,
    }),
  ),
  'status-counts': map(integer),
  plan: planGraph,
  'application-id': optional(nullable(text)),
  schedulerType: optional(nullable(text)),
  'pending-operators': optional(integer),
  'stream-graph': optional(anything),
});

export const jobStatus = object({ status: jobState });

export const jobConfig = object({
  jid: text,
  name: text,
  'execution-config': optional(
    object({
      'execution-mode': optional(text),
      'restart-strategy': text,
      'job-parallelism': integer,
      'object-reuse-mode': flag,
      'user-config': map(text),
    }),
  ),
});

const failureFields = {
  exceptionName: text,
  stacktrace: text,
  timestamp: integer,
  failureLabels: optional(map(text)),
  taskName: optional(nullable(text)),
  /** Until 1.20. */
  location: optional(nullable(text)),
  /** 1.19 or later. */
  endpoint: optional(nullable(text)),
  taskManagerId: optional(nullable(text)),
};

export const exceptions = object({
  'root-exception': optional(nullable(text)),
  timestamp: optional(nullable(integer)),
  'all-exceptions': optional(list(anything)),
  truncated: optional(flag),
  exceptionHistory: optional(
    object({
      entries: list(object({ ...failureFields, concurrentExceptions: optional(list(object(failureFields))) })),
      truncated: optional(flag),
    }),
  ),
});

export const serializedCause = object({ class: text, 'stack-trace': text, 'serialized-throwable': optional(text) });

export const executionResult = object({
  status: object({ id: openWord('IN_PROGRESS', 'COMPLETED') }),
  'job-execution-result': optional(
    object({
      id: text,
      'application-status': openWord('SUCCEEDED', 'FAILED', 'CANCELED', 'UNKNOWN'),
      'accumulator-results': optional(map(text)),
      'net-runtime': integer,
      'failure-cause': optional(serializedCause),
      name: optional(text),
      'start-time': optional(integer),
      'end-time': optional(integer),
      'application-id': optional(nullable(text)),
    }),
  ),
});

export const accumulators = object({
  'job-accumulators': list(anything),
  'user-task-accumulators': list(object({ name: text, type: text, value: text })),
  'serialized-user-task-accumulators': map(text),
});

export const requirements: Shape<
  Readonly<Record<string, { readonly parallelism: { readonly lowerBound: number; readonly upperBound: number } }>>
> = map(object({ parallelism: object({ lowerBound: integer, upperBound: integer }) }));

export const rescalesConfig = object({
  rescaleHistoryMax: integer,
  schedulerExecutionMode: optional(nullable(text)),
  executingCooldownTimeoutInMillis: integer,
});

const rescale = object({
  rescaleUuid: text,
  resourceRequirementsUuid: text,
  rescaleAttemptId: integer,
  vertices: map(anything),
  slots: map(object({ slotSharingGroupId: text, desiredSlots: integer, requestResourceProfile: optional(resources) })),
  schedulerStates: list(object({ state: text, enterTimestampInMillis: integer })),
  startTimestampInMillis: integer,
  endTimestampInMillis: nullable(integer),
  terminalState: nullable(text),
  triggerCause: text,
  terminatedReason: nullable(text),
});

const rescalesCounts = object({ ignored: integer, inProgress: integer, completed: integer, failed: integer });

export const rescaleDetails = rescale;
export const rescalesHistory = list(rescale);
export const rescalesOverview = object({ rescalesCounts, latest: map(nullable(rescale)) });
export const rescalesSummary = object({ rescalesCounts, rescalesDurationStatsInMillis: map(anything) });

const applicationState = openWord('CREATED', 'RUNNING', 'FAILING', 'FAILED', 'CANCELING', 'CANCELED', 'FINISHED');

const applicationFields = {
  id: text,
  name: text,
  'start-time': integer,
  'end-time': integer,
  duration: integer,
  status: applicationState,
};

export const applications = object({ applications: list(object({ ...applicationFields, jobs: map(integer) })) });

/** Decide by the job, never by its application: one whose job failed to initialise stays RUNNING (spec/flink.md §1.3). */
export const application = object({
  ...applicationFields,
  timestamps: map(integer),
  jobs: list(object(overviewFields)),
});
