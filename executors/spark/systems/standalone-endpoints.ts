import { optional, required, type Endpoint } from './endpoint.ts';

/** Spark's own submission server, part of a standalone master (spec/spark.md §5). */
export const STANDALONE_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'spark.submissions.create',
    method: 'POST',
    path: '/create',
    constantBody: { action: 'CreateSubmissionRequest', clientSparkVersion: '3.5.0' },
    body: [
      required('app_resource', 'text', 'The jar, at a path or address that the worker can read; empty for Python.'),
      required('main_class', 'text', 'Main class.'),
      optional('app_args', 'texts', 'Arguments of the application.'),
      required('spark_properties', 'object', 'Spark configuration; spark.app.name and spark.master are needed.'),
      optional('environment_variables', 'object', "The driver's environment."),
    ],
    answer: 'json',
    description: 'Submits a driver to the cluster and does not wait for it. To wait for the end use spark.submit.',
  },
  {
    name: 'spark.submissions.status',
    method: 'GET',
    path: '/status/:id',
    answer: 'json',
    description: "Shows a driver's state. An id that the master does not know gives success: false.",
  },
  {
    name: 'spark.submissions.kill',
    method: 'POST',
    path: '/kill/:id',
    answer: 'json',
    repeatSafe: true,
    description: 'Asks for the end of a driver.',
  },
  {
    name: 'spark.submissions.kill_all',
    method: 'POST',
    path: '/killall',
    answer: 'json',
    repeatSafe: true,
    since: '4.0',
    description: 'Asks for the end of all drivers.',
  },
  {
    name: 'spark.submissions.clear',
    method: 'POST',
    path: '/clear',
    answer: 'json',
    repeatSafe: true,
    since: '4.0',
    description: 'Makes the master forget drivers and applications that have ended.',
  },
  {
    name: 'spark.submissions.ready',
    method: 'GET',
    path: '/readyz',
    answer: 'json',
    since: '4.0',
    description: 'Shows whether the master is ready.',
  },
];

/** The master's web page as JSON: another port than the submissions. */
export const MASTER_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'spark.master.state',
    method: 'GET',
    path: '/json/',
    answer: 'json',
    description: "Shows workers, applications and drivers of a standalone master; `url` is its web page's address.",
  },
];
