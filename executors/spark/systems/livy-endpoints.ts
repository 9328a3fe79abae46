import { optional, required, type Endpoint, type Parameter } from './endpoint.ts';

const COMMON: readonly Parameter[] = [
  optional('proxy_user', 'text', 'User to act for.'),
  optional('jars', 'texts', 'Jars for driver and executors.'),
  optional('py_files', 'texts', 'Python files and archives for the import path.'),
  optional('files', 'texts', 'Files for the working folder of each executor.'),
  optional('archives', 'texts', 'Archives to unpack there.'),
  optional('driver_memory', 'text', 'Such as 512m.'),
  optional('driver_cores', 'integer', 'Cores of the driver.'),
  optional('executor_memory', 'text', 'Such as 2g.'),
  optional('executor_cores', 'integer', 'Cores of each executor.'),
  optional('num_executors', 'integer', 'Number of executors.'),
  optional('queue', 'text', 'YARN queue.'),
  optional('name', 'text', 'Name of the application; Livy refuses one that is taken.'),
  optional('conf', 'object', 'Spark configuration.'),
];

/** Fields of a new batch beside `file`, as input names (spec/spark.md §4.1). */
export const LIVY_SUBMIT: readonly Parameter[] = [
  optional('class_name', 'text', 'Main class, for a jar.'),
  optional('args', 'texts', 'Arguments of the application.'),
  ...COMMON,
];

const SESSION: readonly Parameter[] = [
  optional('kind', 'text', 'spark, pyspark, sparkr or sql; default: each statement says its own.'),
  ...COMMON,
  optional('heartbeat_timeout_in_second', 'integer', 'Time without a request after which the session ends.'),
  optional('ttl', 'text', 'Longest life, such as 10h.'),
  optional('idle_timeout', 'text', 'Longest time without a statement, such as 30m.'),
];

const PAGE = [
  optional('from', 'integer', 'How many to leave out.'),
  optional('size', 'integer', 'How many at most. Default 100.'),
] as const;

const LOG = [
  optional('from', 'integer', 'First line within the window that Livy keeps; -1: the last ones.'),
  optional('size', 'integer', 'How many lines; negative: all that Livy keeps.'),
] as const;

/** Apache Livy (spec/spark.md §4.1). `id` of a batch or session is its number or its name. */
export const LIVY_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'livy.version',
    method: 'GET',
    path: '/version',
    answer: 'json',
    description: "Shows Livy's version.",
  },
  {
    name: 'livy.batches.list',
    method: 'GET',
    path: '/batches',
    query: PAGE,
    answer: 'json',
    description: 'Lists batches, oldest first.',
  },
  {
    name: 'livy.batches.create',
    method: 'POST',
    path: '/batches',
    body: [required('file', 'text', 'The application: an absolute path or an address.'), ...LIVY_SUBMIT],
    answer: 'json',
    description: 'Submits a batch and does not wait for it. To wait for the end use livy.run.',
  },
  { name: 'livy.batches.get', method: 'GET', path: '/batches/:id', answer: 'json', description: 'Shows one batch.' },
  {
    name: 'livy.batches.state',
    method: 'GET',
    path: '/batches/:id/state',
    answer: 'json',
    description: "Shows a batch's state.",
  },
  {
    name: 'livy.batches.log',
    method: 'GET',
    path: '/batches/:id/log',
    query: LOG,
    answer: 'json',
    description: "Reads a batch's log: the last 200 lines are kept.",
  },
  {
    name: 'livy.batches.delete',
    method: 'DELETE',
    path: '/batches/:id',
    answer: 'json',
    repeatSafe: true,
    description: 'Kills a batch and forgets it, with its log.',
  },
  {
    name: 'livy.sessions.list',
    method: 'GET',
    path: '/sessions',
    query: PAGE,
    answer: 'json',
    description: 'Lists sessions, oldest first.',
  },
  {
    name: 'livy.sessions.create',
    method: 'POST',
    path: '/sessions',
    body: SESSION,
    answer: 'json',
    description: 'Starts an interactive session and does not wait until it is idle.',
  },
  {
    name: 'livy.sessions.get',
    method: 'GET',
    path: '/sessions/:id',
    answer: 'json',
    description: 'Shows one session.',
  },
  {
    name: 'livy.sessions.state',
    method: 'GET',
    path: '/sessions/:id/state',
    answer: 'json',
    description: "Shows a session's state.",
  },
  {
    name: 'livy.sessions.log',
    method: 'GET',
    path: '/sessions/:id/log',
    query: LOG,
    answer: 'json',
    description: "Reads a session's log: the last 200 lines are kept.",
  },
  {
    name: 'livy.sessions.delete',
    method: 'DELETE',
    path: '/sessions/:id',
    answer: 'json',
    repeatSafe: true,
    description: 'Ends a session and forgets it.',
  },
  {
    name: 'livy.sessions.touch',
    method: 'POST',
    path: '/sessions/:id/connect',
    answer: 'json',
    repeatSafe: true,
    description: "Starts a session's idle time anew.",
  },
  {
    name: 'livy.sessions.stop',
    method: 'POST',
    path: '/sessions/:id/stop',
    answer: 'none',
    repeatSafe: true,
    description: 'Stops a session; it stays in the list until Livy forgets it.',
  },
  {
    name: 'livy.sessions.interrupt',
    method: 'POST',
    path: '/sessions/:id/interrupt',
    answer: 'json',
    repeatSafe: true,
    description: 'Interrupts what a session is doing.',
  },
  {
    name: 'livy.statements.list',
    method: 'GET',
    path: '/sessions/:session_id/statements',
    query: [...PAGE, optional('order', 'text', 'asc, or desc for the newest first.')],
    answer: 'json',
    description: "Lists a session's statements.",
  },
  {
    name: 'livy.statements.create',
    method: 'POST',
    path: '/sessions/:session_id/statements',
    body: [
      required('code', 'text', 'The code.'),
      optional('kind', 'text', "spark, pyspark, sparkr or sql; default: the session's."),
    ],
    answer: 'json',
    description: 'Hands code to a session and does not wait for it. To wait for the end use livy.execute.',
  },
  {
    name: 'livy.statements.get',
    method: 'GET',
    path: '/sessions/:session_id/statements/:id',
    answer: 'json',
    description: 'Shows one statement.',
  },
  {
    name: 'livy.statements.cancel',
    method: 'POST',
    path: '/sessions/:session_id/statements/:id/cancel',
    answer: 'json',
    repeatSafe: true,
    description: 'Cancels a statement. Plain Python code that runs already goes on although Livy calls it cancelled.',
  },
  {
    name: 'livy.complete',
    method: 'POST',
    path: '/sessions/:session_id/completion',
    body: [
      required('code', 'text', 'The code so far.'),
      optional('kind', 'text', 'spark, pyspark, sparkr or sql.'),
      optional('cursor', 'integer', 'Place in the code.'),
    ],
    answer: 'json',
    repeatSafe: true,
    description: 'Lists what the code could be completed with.',
  },
];
