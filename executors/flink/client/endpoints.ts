import {
  asyncResult,
  figures,
  nothing,
  plainText,
  settings,
  threads,
  trigger,
  under,
  uploadedJar,
  values,
  whole,
} from './answer.ts';
import * as checkpoints from './answers/checkpoints.ts';
import * as cluster from './answers/cluster.ts';
import * as jobs from './answers/jobs.ts';
import * as sql from './answers/sql.ts';
import * as vertices from './answers/vertices.ts';
import { needed, param, type Endpoint, type OtherRoute } from './endpoint.ts';
import { anything, flag, integer, list, map, text, word } from './shapes.ts';

/** What metrics routes take. */
const GET = param(list(text), 'Names of the metrics; without it the client asks for all there are.');
const AGG = param(list(word('min', 'max', 'sum', 'avg', 'skew')), 'Which figures; default: all. skew needs 1.20.');

const TRIGGER_ID = param(
  text,
  '32 hex digits of your own: a repeat with them starts nothing new, for as long as the server remembers it.',
  { since: '1.15' },
);
const FORMAT = param(word('CANONICAL', 'NATIVE'), 'Format of the savepoint.', { since: '1.15' });

const PROFILE = {
  mode: param(word('CPU', 'ALLOC', 'LOCK', 'WALL', 'ITIMER'), 'What is profiled.'),
  duration: param(integer, 'Seconds.'),
};

/** What `plan` and `run` have in common. */
const PROGRAM = {
  entryClass: param(text, "Main class; default: the jar's own."),
  programArgsList: param(list(text), 'Arguments, sent as they are.'),
  parallelism: param(integer, 'Default parallelism, at least 1.'),
  jobId: param(text, '32 hex digits; a server that knows the id refuses it.'),
  flinkConfiguration: param(map(text), 'Configuration of the job; values are texts.', { since: '1.17' }),
};

const RUN = {
  ...PROGRAM,
  savepointPath: param(text, 'Savepoint or retained checkpoint to start from.'),
  allowNonRestoredState: param(flag, 'Drop state that fits no operator.'),
  restoreMode: param(word('CLAIM', 'NO_CLAIM', 'LEGACY'), 'Before 1.20: who owns the savepoint.', { since: '1.15' }),
  claimMode: param(word('CLAIM', 'NO_CLAIM', 'LEGACY'), 'Who owns the savepoint.', { since: '1.20' }),
};

const STATEMENT = {
  statement: needed(text, 'One SQL statement.'),
  executionConfig: param(map(text), 'Settings of this statement.'),
};

/**
 * The REST API of the JobManager and of the SQL gateway (spec/flink.md §1.6, §3.4). A row's name is the path of its client method;
 * its action is `flink.` and the same in snake_case.
 */
export const ENDPOINTS = {
  // --- cluster
  'cluster.overview': {
    method: 'GET',
    path: '/overview',
    about: 'Slots, numbers of jobs by state, and the version.',
    answer: whole(cluster.clusterOverview),
    python: 'rest_client.overview',
  },
  'cluster.config': {
    method: 'GET',
    path: '/config',
    about: 'Settings of the dashboard: the version, and whether jars may be submitted.',
    answer: whole(cluster.dashboardConfig),
    python: 'rest_client.config',
  },
  'cluster.delete': {
    method: 'DELETE',
    path: '/cluster',
    about: 'Ends the JobManager; stand-alone task managers stay and look for a new one.',
    answer: nothing,
    python: 'rest_client.delete_cluster',
  },
  'cluster.datasets': {
    method: 'GET',
    path: '/datasets',
    about: 'Cached intermediate results.',
    answer: under('dataSets', cluster.datasets),
    python: 'rest_client.datasets',
  },
  'cluster.deleteDataset': {
    method: 'DELETE',
    path: '/datasets/:datasetId',
    about: 'Starts to delete a cached intermediate result; answers the id to ask for its state with.',
    answer: trigger,
    repeatable: true,
    python: 'rest_client.delete_dataset',
  },
  'cluster.getDatasetDeletion': {
    method: 'GET',
    path: '/datasets/delete/:triggerId',
    about: 'State of a deletion of an intermediate result.',
    answer: asyncResult(null, anything),
  },

  // --- JobManager
  'jobmanager.config': {
    method: 'GET',
    path: '/jobmanager/config',
    about: 'Configuration of the cluster, secrets masked by Flink.',
    answer: settings,
    python: 'rest_client.jobmanager.config',
  },
  'jobmanager.logs': {
    method: 'GET',
    path: '/jobmanager/logs',
    about: 'Log files of the JobManager.',
    answer: under('logs', cluster.logFiles),
    python: 'rest_client.jobmanager.logs',
  },
  'jobmanager.getLog': {
    method: 'GET',
    path: '/jobmanager/logs/:logFile',
    about: 'Text of a log file of the JobManager.',
    answer: plainText,
    python: 'rest_client.jobmanager.get_log',
  },
  'jobmanager.metrics': {
    method: 'GET',
    path: '/jobmanager/metrics',
    about: 'Metrics of the JobManager: texts by name, which may be "NaN".',
    answer: values,
    query: { get: GET },
    python: 'rest_client.jobmanager.metrics',
  },
  'jobmanager.environment': {
    method: 'GET',
    path: '/jobmanager/environment',
    since: '1.16',
    about: 'Java version, options and class path of the JobManager.',
    answer: whole(cluster.environment),
  },
  'jobmanager.getThreadDump': {
    method: 'GET',
    path: '/jobmanager/thread-dump',
    since: '1.15',
    about: 'Stacks of all threads of the JobManager, by name.',
    answer: threads,
  },
  'jobmanager.log': {
    method: 'GET',
    path: '/jobmanager/log',
    about: 'Text of the main log of the JobManager.',
    answer: plainText,
  },
  'jobmanager.stdout': {
    method: 'GET',
    path: '/jobmanager/stdout',
    about: 'What the JobManager has printed.',
    answer: plainText,
  },
  'jobmanager.profiles': {
    method: 'GET',
    path: '/jobmanager/profiler',
    since: '1.19',
    about: 'Profiles of the JobManager; needs rest.profiling.enabled.',
    answer: under('profilingList', cluster.profiles),
  },
  'jobmanager.startProfile': {
    method: 'POST',
    path: '/jobmanager/profiler',
    since: '1.19',
    about: 'Starts to profile the JobManager.',
    answer: whole(cluster.profile),
    body: PROFILE,
  },
  'jobmanager.getProfile': {
    method: 'GET',
    path: '/jobmanager/profiler/:file',
    since: '1.19',
    about: 'A profile of the JobManager: an HTML page.',
    answer: plainText,
  },

  // --- task managers
  'taskmanagers.all': {
    method: 'GET',
    path: '/taskmanagers',
    about: 'All task managers with their slots and memory.',
    answer: under('taskmanagers', cluster.taskManagers),
    python: 'rest_client.taskmanager.all',
  },
  'taskmanagers.metrics': {
    method: 'GET',
    path: '/taskmanagers/metrics',
    about: 'Metrics over all task managers: figures by name.',
    answer: figures,
    query: { get: GET, agg: AGG, taskmanagers: param(list(text), 'Ids of those that count; default: all.') },
    python: 'rest_client.taskmanager.metrics',
  },
  'taskmanagers.get': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId',
    about: 'A task manager with its memory and garbage collection.',
    answer: whole(cluster.taskManager),
    python: 'rest_client.taskmanager.get',
  },
  'taskmanagers.getLogs': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/logs',
    about: 'Log files of a task manager.',
    answer: under('logs', cluster.logFiles),
    python: 'rest_client.taskmanager.get_logs',
  },
  'taskmanagers.getMetrics': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/metrics',
    about: 'Metrics of a task manager: texts by name.',
    answer: values,
    query: { get: GET },
    python: 'rest_client.taskmanager.get_metrics',
  },
  'taskmanagers.getThreadDump': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/thread-dump',
    about: 'Stacks of all threads of a task manager, by name.',
    answer: threads,
    python: 'rest_client.taskmanager.get_thread_dump',
  },
  'taskmanagers.getLog': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/logs/:logFile',
    about: 'Text of a log file of a task manager.',
    answer: plainText,
  },
  'taskmanagers.log': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/log',
    about: 'Text of the main log of a task manager.',
    answer: plainText,
  },
  'taskmanagers.stdout': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/stdout',
    about: 'What a task manager has printed.',
    answer: plainText,
  },
  'taskmanagers.profiles': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/profiler',
    since: '1.19',
    about: 'Profiles of a task manager; needs rest.profiling.enabled.',
    answer: under('profilingList', cluster.profiles),
  },
  'taskmanagers.startProfile': {
    method: 'POST',
    path: '/taskmanagers/:taskmanagerId/profiler',
    since: '1.19',
    about: 'Starts to profile a task manager.',
    answer: whole(cluster.profile),
    body: PROFILE,
  },
  'taskmanagers.getProfile': {
    method: 'GET',
    path: '/taskmanagers/:taskmanagerId/profiler/:file',
    since: '1.19',
    about: 'A profile of a task manager: an HTML page.',
    answer: plainText,
  },

  // --- jars: all of them are gone where web.submit.enable is false
  'jars.all': {
    method: 'GET',
    path: '/jars',
    about: 'Uploaded jars, newest first. Opens every jar on the server: remember ids where possible.',
    answer: under('files', jobs.jars),
    python: 'rest_client.jars.all',
  },
  'jars.upload': {
    method: 'POST',
    path: '/jars/upload',
    about: 'Uploads a jar, streamed; every upload makes a new id.',
    answer: uploadedJar,
    duration: 'upload',
    python: 'rest_client.jars.upload',
  },
  'jars.getPlan': {
    method: 'POST',
    path: '/jars/:jarId/plan',
    about: 'The plan of the job that a jar would run: its main() runs inside the call.',
    answer: under('plan', jobs.plan),
    body: PROGRAM,
    duration: 'user-code',
    repeatable: true,
    python: 'rest_client.jars.get_plan',
  },
  'jars.run': {
    method: 'POST',
    path: '/jars/:jarId/run',
    about: 'Runs a jar and answers the id of its job; its main() runs inside the call.',
    answer: under('jobid', jobs.run),
    body: RUN,
    duration: 'user-code',
    python: 'rest_client.jars.run',
  },
  'jars.delete': {
    method: 'DELETE',
    path: '/jars/:jarId',
    about: 'Deletes an uploaded jar.',
    answer: nothing,
    python: 'rest_client.jars.delete',
  },
  'jars.runApplication': {
    method: 'POST',
    path: '/jars/:jarId/run-application',
    since: '2.3',
    about: 'Starts a jar as an application, which may have several jobs; does not wait for its main().',
    answer: under('applicationid', jobs.applicationRun),
    body: { ...RUN, applicationId: param(text, '32 hex digits.') },
    duration: 'user-code',
  },

  // --- jobs
  'jobs.all': {
    method: 'GET',
    path: '/jobs',
    about: 'Ids and states of all jobs.',
    answer: under('jobs', jobs.jobIds),
    python: 'rest_client.jobs.all',
  },
  'jobs.overview': {
    method: 'GET',
    path: '/jobs/overview',
    about: 'All jobs with names and times. A job that is not in it may be there all the same.',
    answer: under('jobs', jobs.jobsOverview),
    python: 'rest_client.jobs.overview',
  },
  'jobs.metrics': {
    method: 'GET',
    path: '/jobs/metrics',
    about: 'Metrics over all jobs: figures by name.',
    answer: figures,
    query: { get: GET, agg: AGG, jobs: param(list(text), 'Ids of those that count; default: all.') },
    python: 'rest_client.jobs.metrics',
  },
  'jobs.get': {
    method: 'GET',
    path: '/jobs/:jobId',
    about: 'A job with its vertices and plan; up to three seconds old.',
    answer: whole(jobs.job),
    python: 'rest_client.jobs.get',
  },
  'jobs.getStatus': {
    method: 'GET',
    path: '/jobs/:jobId/status',
    since: '1.16',
    about: 'The state of a job, not from the cache.',
    answer: under('status', jobs.jobStatus),
  },
  'jobs.getConfig': {
    method: 'GET',
    path: '/jobs/:jobId/config',
    about: 'Configuration of a job.',
    answer: whole(jobs.jobConfig),
    python: 'rest_client.jobs.get_config',
  },
  'jobs.getExceptions': {
    method: 'GET',
    path: '/jobs/:jobId/exceptions',
    about: 'Why a job failed, newest first.',
    answer: whole(jobs.exceptions),
    query: {
      maxExceptions: param(integer, 'At most so many; default 20.'),
      failureLabelFilter: param(list(text), 'Only failures with these labels, each key:value.', { since: '1.18' }),
    },
    python: 'rest_client.jobs.get_exceptions',
  },
  'jobs.getExecutionResult': {
    method: 'GET',
    path: '/jobs/:jobId/execution-result',
    about: 'Result of a job; IN_PROGRESS until it is over for good.',
    answer: whole(jobs.executionResult),
    python: 'rest_client.jobs.get_execution_results',
  },
  'jobs.getMetrics': {
    method: 'GET',
    path: '/jobs/:jobId/metrics',
    about: 'Metrics of a job: texts by name. Empty, too, for a job that is not known.',
    answer: values,
    query: { get: GET },
    python: 'rest_client.jobs.get_metrics',
  },
  'jobs.getPlan': {
    method: 'GET',
    path: '/jobs/:jobId/plan',
    about: 'The plan of a job.',
    answer: under('plan', jobs.plan),
    python: 'rest_client.jobs.get_plan',
  },
  'jobs.getAccumulators': {
    method: 'GET',
    path: '/jobs/:jobId/accumulators',
    about: 'Accumulators of a job.',
    answer: whole(jobs.accumulators),
    query: { includeSerializedValue: param(flag, 'Also the serialized values.') },
    python: 'rest_client.jobs.get_accumulators',
  },
  'jobs.getCheckpointingConfiguration': {
    method: 'GET',
    path: '/jobs/:jobId/checkpoints/config',
    about: 'How a job makes checkpoints. A batch job has none: 404.',
    answer: whole(checkpoints.checkpointConfig),
    python: 'rest_client.jobs.get_checkpointing_configuration',
  },
  'jobs.getCheckpoints': {
    method: 'GET',
    path: '/jobs/:jobId/checkpoints',
    about: 'Checkpoints and savepoints of a job. A batch job has none: 404.',
    answer: whole(checkpoints.checkpoints),
    python: 'rest_client.jobs.get_checkpoints',
  },
  'jobs.getCheckpointDetails': {
    method: 'GET',
    path: '/jobs/:jobId/checkpoints/details/:checkpointId',
    about: 'One checkpoint.',
    answer: whole(checkpoints.checkpoint),
    python: 'rest_client.jobs.get_checkpoint_details',
  },
  'jobs.getCheckpointSubtasks': {
    method: 'GET',
    path: '/jobs/:jobId/checkpoints/details/:checkpointId/subtasks/:vertexId',
    about: "One vertex' part of a checkpoint.",
    answer: whole(checkpoints.checkpointSubtasks),
    python: 'rest_client.jobs.get_checkpoint_details',
  },
  'jobs.createCheckpoint': {
    method: 'POST',
    path: '/jobs/:jobId/checkpoints',
    since: '1.17',
    about: 'Starts a checkpoint; answers the id to ask for its state with.',
    answer: trigger,
    body: {
      checkpointType: param(word('CONFIGURED', 'FULL'), 'Default: CONFIGURED.'),
      triggerId: param(text, TRIGGER_ID.about),
    },
  },
  'jobs.getCheckpoint': {
    method: 'GET',
    path: '/jobs/:jobId/checkpoints/:triggerId',
    since: '1.17',
    about: 'State of a checkpoint that was started by hand; its value is the id of the checkpoint.',
    answer: asyncResult('checkpointId', integer),
  },
  'jobs.createSavepoint': {
    method: 'POST',
    path: '/jobs/:jobId/savepoints',
    about: 'Starts a savepoint; answers the id to ask for its state with.',
    answer: trigger,
    body: {
      targetDirectory: param(text, "Where it goes; default: the cluster's setting.", { wire: 'target-directory' }),
      cancelJob: param(flag, 'Cancel the job afterwards.', { wire: 'cancel-job' }),
      formatType: FORMAT,
      triggerId: TRIGGER_ID,
    },
    python: 'rest_client.jobs.create_savepoint',
  },
  'jobs.getSavepoint': {
    method: 'GET',
    path: '/jobs/:jobId/savepoints/:triggerId',
    about: 'State of a savepoint or of a stop; its value is where the savepoint lies.',
    answer: asyncResult('location', text),
  },
  'jobs.stop': {
    method: 'POST',
    path: '/jobs/:jobId/stop',
    about: 'Starts to stop a job with a savepoint; ask for it with jobs.getSavepoint.',
    answer: trigger,
    body: {
      targetDirectory: param(text, "Where the savepoint goes; default: the cluster's setting."),
      drain: param(flag, 'Let sources and windows run out: for jobs that are not started again.'),
      formatType: FORMAT,
      triggerId: TRIGGER_ID,
    },
    python: 'rest_client.jobs.stop',
  },
  'jobs.terminate': {
    method: 'PATCH',
    path: '/jobs/:jobId',
    about: 'Asks for the cancel of a job; its state tells when it is done.',
    answer: nothing,
    query: { mode: param(word('cancel'), 'Default: cancel.') },
    repeatable: true,
    python: 'rest_client.jobs.terminate',
  },
  'jobs.rescale': {
    method: 'PATCH',
    path: '/jobs/:jobId/rescaling',
    about: 'Switched off in Flink itself from 1.12 to 2.3: always 503. Use flink.rescale.',
    answer: trigger,
    query: { parallelism: needed(integer, 'The new parallelism.') },
    python: 'rest_client.jobs.rescale',
  },
  'jobs.getRescaling': {
    method: 'GET',
    path: '/jobs/:jobId/rescaling/:triggerId',
    about: 'Switched off in Flink itself: always 503.',
    answer: asyncResult(null, anything),
  },
  'jobs.getResourceRequirements': {
    method: 'GET',
    path: '/jobs/:jobId/resource-requirements',
    since: '1.18',
    about: 'Bounds of the parallelism of each vertex; adaptive scheduler only.',
    answer: whole(jobs.requirements),
  },
  'jobs.updateResourceRequirements': {
    method: 'PUT',
    path: '/jobs/:jobId/resource-requirements',
    since: '1.18',
    about: 'Changes these bounds. All vertices must be named; it takes effect after up to 30 seconds.',
    answer: nothing,
    body: {
      requirements: needed(jobs.requirements, 'By id of the vertex: {parallelism: {lowerBound, upperBound}}.'),
    },
    bodyIs: 'requirements',
    repeatable: true,
  },
  'jobs.getJobmanagerConfig': {
    method: 'GET',
    path: '/jobs/:jobId/jobmanager/config',
    since: '1.16',
    about: 'Configuration of the cluster that ran the job: for history servers.',
    answer: settings,
  },
  'jobs.getJobmanagerEnvironment': {
    method: 'GET',
    path: '/jobs/:jobId/jobmanager/environment',
    since: '1.16',
    about: 'Java version, options and class path of the JobManager that ran the job.',
    answer: whole(cluster.environment),
  },
  'jobs.getJobmanagerLogUrl': {
    method: 'GET',
    path: '/jobs/:jobId/jobmanager/log-url',
    since: '1.16',
    about: 'Where the log of the JobManager that ran the job lies.',
    answer: under('url', cluster.logUrl),
  },
  'jobs.getTaskmanagerLogUrl': {
    method: 'GET',
    path: '/jobs/:jobId/taskmanagers/:taskmanagerId/log-url',
    since: '1.16',
    about: 'Where the log of a task manager that ran the job lies.',
    answer: under('url', cluster.logUrl),
  },
  'jobs.getRescalesConfig': {
    method: 'GET',
    path: '/jobs/:jobId/rescales/config',
    since: '2.3',
    about: 'Settings of the adaptive scheduler.',
    answer: whole(jobs.rescalesConfig),
  },
  'jobs.getRescalesOverview': {
    method: 'GET',
    path: '/jobs/:jobId/rescales/overview',
    since: '2.3',
    about: 'Numbers of rescalings and the latest ones.',
    answer: whole(jobs.rescalesOverview),
  },
  'jobs.getRescalesSummary': {
    method: 'GET',
    path: '/jobs/:jobId/rescales/summary',
    since: '2.3',
    about: 'How long rescalings took.',
    answer: whole(jobs.rescalesSummary),
  },
  'jobs.getRescalesHistory': {
    method: 'GET',
    path: '/jobs/:jobId/rescales/history',
    since: '2.3',
    about: 'Past rescalings; empty unless web.adaptive-scheduler.rescale-history.size is above 0.',
    answer: whole(jobs.rescalesHistory),
  },
  'jobs.getRescaleDetails': {
    method: 'GET',
    path: '/jobs/:jobId/rescales/details/:rescaleUuid',
    since: '2.3',
    about: 'One rescaling.',
    answer: whole(jobs.rescaleDetails),
  },
  'jobs.heartbeat': {
    method: 'PATCH',
    path: '/jobs/:jobId/clientHeartbeat',
    since: '1.17',
    about: 'Tells the server that the client of an attached job is still there.',
    answer: nothing,
    body: { expiredTimestamp: needed(integer, 'Milliseconds since 1970 until which it will be there.') },
    repeatable: true,
    noAction: 'It is for attached clients, which we are not.',
  },
  'jobs.submit': {
    method: 'POST',
    path: '/jobs',
    about: 'Submits a job graph (until 1.20) or execution plan (2.x) that Java has serialized.',
    answer: under('jobUrl', jobs.submitted),
    duration: 'upload',
    noAction: 'What it takes can be made in Java only.',
  },
  'jobs.yarnCancel': {
    method: 'GET',
    path: '/jobs/:jobId/yarn-cancel',
    about: 'Cancel in a form that proxies let through which know only GET.',
    answer: nothing,
    noAction: 'flink.cancel does it where its input cancel_via says so.',
  },

  // --- savepoints
  'savepoints.dispose': {
    method: 'POST',
    path: '/savepoint-disposal',
    about: 'Starts to delete a savepoint; answers the id to ask for its state with.',
    answer: trigger,
    body: { savepointPath: needed(text, 'Where the savepoint lies.', { wire: 'savepoint-path' }) },
    repeatable: true,
  },
  'savepoints.getDisposal': {
    method: 'GET',
    path: '/savepoint-disposal/:triggerId',
    about: 'State of the deletion of a savepoint.',
    answer: asyncResult(null, anything),
  },

  // --- applications
  'applications.overview': {
    method: 'GET',
    path: '/applications/overview',
    since: '2.3',
    about: 'All applications with numbers of jobs by state.',
    answer: under('applications', jobs.applications),
  },
  'applications.get': {
    method: 'GET',
    path: '/applications/:applicationId',
    since: '2.3',
    about: 'An application with its jobs.',
    answer: whole(jobs.application),
  },
  'applications.getExceptions': {
    method: 'GET',
    path: '/applications/:applicationId/exceptions',
    since: '2.3',
    about: 'Why an application failed.',
    answer: whole(jobs.exceptions),
  },
  'applications.getJobmanagerConfig': {
    method: 'GET',
    path: '/applications/:applicationId/jobmanager/config',
    since: '2.3',
    about: 'Configuration of the cluster that ran the application.',
    answer: settings,
  },
  'applications.cancel': {
    method: 'POST',
    path: '/applications/:applicationId/cancel',
    since: '2.3',
    about: 'Asks for the cancel of an application.',
    answer: nothing,
    repeatable: true,
  },

  // --- vertices
  'vertices.details': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId',
    about: 'A vertex with its subtasks.',
    answer: whole(vertices.vertex),
    python: 'job_vertex.details',
  },
  'vertices.backpressure': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/backpressure',
    about: 'How much a vertex is held up; ask again while the status is deprecated.',
    answer: whole(vertices.backpressure),
    python: 'job_vertex.backpressure',
  },
  'vertices.metrics': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/metrics',
    about: 'Metrics of a vertex: texts by name.',
    answer: values,
    query: { get: GET },
    python: 'job_vertex.metrics',
  },
  'vertices.subtasktimes': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasktimes',
    about: 'Times of the subtasks of a vertex.',
    answer: whole(vertices.subtaskTimes),
    python: 'job_vertex.subtasktimes',
  },
  'vertices.taskmanagers': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/taskmanagers',
    about: 'The task managers that run a vertex.',
    answer: whole(vertices.vertexTaskManagers),
    python: 'job_vertex.taskmanagers',
  },
  'vertices.watermarks': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/watermarks',
    about: 'Watermarks of the subtasks of a vertex.',
    answer: whole(vertices.watermarks),
    python: 'job_vertex.watermarks',
  },
  'vertices.accumulators': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/accumulators',
    about: 'Accumulators of a vertex, over its subtasks.',
    answer: whole(vertices.vertexAccumulators),
    python: 'job_vertex.subtasks.accumulators',
  },
  'vertices.flamegraph': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/flamegraph',
    since: '1.13',
    about: 'Flame graph of a vertex; ask again while it has no data. Needs rest.flamegraph.enabled.',
    answer: whole(vertices.flamegraph),
    query: {
      type: param(word('FULL', 'ON_CPU', 'OFF_CPU'), 'Which samples.'),
      subtaskindex: param(integer, 'Of this subtask only.', { since: '1.17' }),
    },
  },
  'vertices.getJmOperatorMetrics': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/jm-operator-metrics',
    since: '1.20',
    about: "Metrics of the vertex' operators on the JobManager: texts by name.",
    answer: values,
    query: { get: GET },
  },

  // --- subtasks
  'subtasks.accumulators': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasks/accumulators',
    about: 'Accumulators of each subtask of a vertex.',
    answer: whole(vertices.subtaskAccumulators),
    python: 'job_vertex.subtasks.get_attempt_accumulators',
  },
  'subtasks.metrics': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasks/metrics',
    about: 'Metrics over the subtasks of a vertex: figures by name.',
    answer: figures,
    query: { get: GET, agg: AGG, subtasks: param(text, 'Those that count, such as 1,3,5-9; default: all.') },
    python: 'job_vertex.subtasks.metrics',
  },
  'subtasks.get': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasks/:subtaskIndex',
    about: 'The current or last attempt of a subtask.',
    answer: whole(vertices.attempt),
    python: 'job_vertex.subtasks.get',
  },
  'subtasks.getAttempt': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasks/:subtaskIndex/attempts/:attempt',
    about: 'One attempt of a subtask.',
    answer: whole(vertices.attempt),
    python: 'job_vertex.subtasks.get_attempt',
  },
  'subtasks.getAttemptAccumulators': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasks/:subtaskIndex/attempts/:attempt/accumulators',
    about: 'Accumulators of one attempt of a subtask.',
    answer: whole(vertices.attemptAccumulators),
  },
  'subtasks.getMetrics': {
    method: 'GET',
    path: '/jobs/:jobId/vertices/:vertexId/subtasks/:subtaskIndex/metrics',
    about: 'Metrics of a subtask: texts by name.',
    answer: values,
    query: { get: GET },
  },

  // --- SQL gateway: a server of its own, whose API has versions of its own
  'sql.apiVersions': {
    method: 'GET',
    path: '/api_versions',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Versions of its API that a SQL gateway serves.',
    answer: under('versions', sql.apiVersions),
  },
  'sql.info': {
    method: 'GET',
    path: '/info',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Name and version of a SQL gateway.',
    answer: whole(sql.gatewayInfo),
  },
  'sql.openSession': {
    method: 'POST',
    path: '/sessions',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Opens a session; answers its handle.',
    answer: under('sessionHandle', sql.sessionHandle),
    body: { sessionName: param(text, 'For people.'), properties: param(map(text), 'Settings of the session.') },
  },
  'sql.getSession': {
    method: 'GET',
    path: '/sessions/:sessionHandle',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Settings of a session.',
    answer: under('properties', sql.sessionProperties),
  },
  'sql.closeSession': {
    method: 'DELETE',
    path: '/sessions/:sessionHandle',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Closes a session.',
    answer: under('status', sql.sessionStatus),
  },
  'sql.heartbeat': {
    method: 'POST',
    path: '/sessions/:sessionHandle/heartbeat',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Keeps an idle session alive: it ends after ten minutes otherwise.',
    answer: nothing,
    repeatable: true,
  },
  'sql.executeStatement': {
    method: 'POST',
    path: '/sessions/:sessionHandle/statements',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Starts a statement; answers the handle of its operation.',
    answer: under('operationHandle', sql.operationHandle),
    body: STATEMENT,
  },
  'sql.getOperationStatus': {
    method: 'GET',
    path: '/sessions/:sessionHandle/operations/:operationHandle/status',
    server: 'sql-gateway',
    since: '1.16',
    about: 'State of an operation.',
    answer: under('status', sql.operationStatus),
  },
  'sql.fetchResults': {
    method: 'GET',
    path: '/sessions/:sessionHandle/operations/:operationHandle/result/:token',
    server: 'sql-gateway',
    since: '1.16',
    about: 'A part of the results of an operation; nextResultUri ends in the token of the next one.',
    answer: whole(sql.fetchedResults),
    query: { rowFormat: param(word('JSON', 'PLAIN_TEXT'), 'Default: JSON.', { since: '1.17' }) },
  },
  'sql.cancelOperation': {
    method: 'POST',
    path: '/sessions/:sessionHandle/operations/:operationHandle/cancel',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Cancels an operation that is not finished, which a SELECT is as soon as its job runs: close it instead.',
    answer: under('status', sql.operationStatus),
  },
  'sql.closeOperation': {
    method: 'DELETE',
    path: '/sessions/:sessionHandle/operations/:operationHandle/close',
    server: 'sql-gateway',
    since: '1.16',
    about: 'Closes an operation; the job of a SELECT is cancelled by it.',
    answer: under('status', sql.operationStatus),
  },
  'sql.configureSession': {
    method: 'POST',
    path: '/sessions/:sessionHandle/configure-session',
    server: 'sql-gateway',
    since: '1.17',
    about: 'Runs a statement without a result, such as SET, USE or CREATE.',
    answer: nothing,
    body: STATEMENT,
  },
  'sql.completeStatement': {
    method: 'GET',
    path: '/sessions/:sessionHandle/complete-statement',
    server: 'sql-gateway',
    since: '1.17',
    about: 'What may stand at a place of a statement: for editors.',
    answer: under('candidates', sql.candidates),
    body: { statement: needed(text, 'The statement.'), position: needed(integer, 'The place in it, from 0.') },
    noAction: 'It is for editors.',
  },
  'sql.refreshMaterializedTable': {
    method: 'POST',
    path: '/sessions/:sessionHandle/materialized-tables/:identifier/refresh',
    server: 'sql-gateway',
    since: '1.20',
    about: 'Starts to refresh a materialized table; answers the handle of its operation.',
    answer: under('operationHandle', sql.operationHandle),
    body: {
      isPeriodic: param(flag, 'Whether a schedule asks for it.'),
      scheduleTime: param(text, 'When it was due.'),
      dynamicOptions: param(map(text), 'Options of the table.'),
      staticPartitions: param(map(text), 'Partitions to refresh.'),
      executionConfig: param(map(text), 'Settings of the refresh.'),
    },
  },
  'sql.deployScript': {
    method: 'POST',
    path: '/sessions/:sessionHandle/scripts',
    server: 'sql-gateway',
    since: '2.0',
    about: 'Starts a script as an application of its own; answers the id of its cluster.',
    answer: under('clusterID', sql.deployedScript),
    body: {
      script: param(text, 'The script, or'),
      scriptUri: param(text, 'where it lies.'),
      executionConfig: param(map(text), 'Settings of the application.'),
    },
  },
} as const satisfies Record<string, Endpoint>;

export type EndpointName = keyof typeof ENDPOINTS;

export const ENDPOINT_NAMES = Object.keys(ENDPOINTS) as readonly EndpointName[];

/** Served by Flink, called by nobody here. */
export const OTHER_ROUTES: readonly OtherRoute[] = [
  { method: 'GET', path: '/jars/:jarId/plan', since: '1.12', why: 'The same as POST, which jars.getPlan uses.' },
  {
    method: 'POST',
    path: '/jobs/:jobId/coordinators/:operatorId',
    since: '1.12',
    until: '1.20',
    why: 'Internal to Flink: bodies serialized by Java.',
  },
  {
    method: 'POST',
    path: '/jobs/:jobId/coordinators/:operatorUid',
    since: '2.0',
    why: 'Internal to Flink: bodies serialized by Java.',
  },
  { method: 'GET', path: '/jobs/:jobId/yarn-stop', since: '1.12', why: 'Its mode was removed from Flink: always 308.' },
];

/** First versions of what inputs may ask for (spec/flink.md §1.7). */
export const FEATURES = {
  claimMode: '1.20',
  restoreMode: '1.15',
  flinkConfiguration: '1.17',
  triggerId: '1.15',
  formatType: '1.15',
  status: '1.16',
  checkpointTrigger: '1.17',
  resourceRequirements: '1.18',
} as const;

export type Feature = keyof typeof FEATURES;

/** `jars.getPlan` ⇔ `flink.jars.get_plan` (spec/flink.md §2.1). */
export function actionNameOf(method: string): string {
  return `flink.${snakeCase(method)}`;
}

export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
