import { optional, required, type Endpoint, type Parameter } from './endpoint.ts';

/** Fields of a new batch or session, as input names (spec/spark.md §3.1). */
export const LIGHTER_SUBMIT: readonly Parameter[] = [
  optional('name', 'text', 'Name of the application.'),
  optional('main_class', 'text', 'Main class, for a jar.'),
  optional('num_executors', 'integer', 'Number of executors.'),
  optional('executor_cores', 'integer', 'Cores of each executor.'),
  optional('executor_memory', 'text', 'Such as 1000M.'),
  optional('driver_cores', 'integer', 'Cores of the driver.'),
  optional('driver_memory', 'text', 'Such as 1000M.'),
  optional('args', 'texts', 'Arguments of the application.'),
  optional('py_files', 'texts', 'Python files and archives for the import path.'),
  optional('files', 'texts', 'Files for the working folder of each executor.'),
  optional('jars', 'texts', 'Jars for driver and executors.'),
  optional('archives', 'texts', 'Archives to unpack there.'),
  optional('conf', 'object', 'Spark configuration.'),
];

const PAGE = [
  optional('from', 'integer', 'How many to leave out.'),
  optional('size', 'integer', 'How many at most. Default 100.'),
] as const;

const SESSION = [
  optional('permanent', 'boolean', 'Restarted by Lighter whenever it ends.'),
  ...LIGHTER_SUBMIT.filter((field) => field.name !== 'args' && field.name !== 'main_class'),
];

/** Lighter (spec/spark.md §3.1). */
export const LIGHTER_ENDPOINTS: readonly Endpoint[] = [
  {
    name: 'lighter.configuration',
    method: 'GET',
    path: '/configuration',
    answer: 'json',
    description: 'Shows the settings of the server.',
  },
  {
    name: 'lighter.batches.create',
    method: 'POST',
    path: '/batches',
    body: [required('file', 'text', 'The application: a path or address that the driver can read.'), ...LIGHTER_SUBMIT],
    answer: 'json',
    description: 'Submits a batch and does not wait for it. To wait for the end use lighter.run.',
  },
  {
    name: 'lighter.batches.list',
    method: 'GET',
    path: '/batches',
    query: [
      ...PAGE,
      optional('state', 'text', 'Only batches in this state; the case does not matter.'),
      optional('search', 'text', 'Only batches with this text in their id or parameters (0.1.6).'),
    ],
    answer: 'json',
    description: 'Lists batches, newest first. `total` is the length of the page.',
  },
  {
    name: 'lighter.batches.get',
    method: 'GET',
    path: '/batches/:id',
    answer: 'json',
    description: 'Shows one batch.',
  },
  {
    name: 'lighter.batches.state',
    method: 'GET',
    path: '/batches/:id/state',
    answer: 'json',
    description: "Shows one batch by the address of its state; Lighter's answer is the same as that of get.",
  },
  {
    name: 'lighter.batches.log',
    method: 'GET',
    path: '/batches/:id/log',
    answer: 'json',
    description: "Reads a batch's log.",
  },
  {
    name: 'lighter.batches.delete',
    method: 'DELETE',
    path: '/batches/:id',
    answer: 'none',
    repeatSafe: true,
    description: 'Kills a batch and forgets it, with its log.',
  },
  {
    name: 'lighter.sessions.list',
    method: 'GET',
    path: '/sessions',
    query: PAGE,
    answer: 'json',
    description: 'Lists sessions, newest first.',
  },
  {
    name: 'lighter.sessions.create',
    method: 'POST',
    path: '/sessions',
    body: SESSION,
    answer: 'json',
    description: 'Starts an interactive session and does not wait until it is idle.',
  },
  {
    name: 'lighter.sessions.put',
    method: 'PUT',
    path: '/sessions/:id',
    body: SESSION,
    answer: 'json',
    since: '0.1.0',
    description: 'Starts a session under an id of the caller: a UUID.',
  },
  {
    name: 'lighter.sessions.get',
    method: 'GET',
    path: '/sessions/:id',
    answer: 'json',
    description: 'Shows one session; its state is asked live.',
  },
  {
    name: 'lighter.sessions.state',
    method: 'GET',
    path: '/sessions/:id/state',
    answer: 'json',
    description: 'Shows one session with its stored state, at most two minutes old.',
  },
  {
    name: 'lighter.sessions.log',
    method: 'GET',
    path: '/sessions/:id/log',
    answer: 'json',
    description: "Reads a session's log.",
  },
  {
    name: 'lighter.sessions.delete',
    method: 'DELETE',
    path: '/sessions/:id',
    answer: 'none',
    repeatSafe: true,
    description: 'Kills a session and hides it.',
  },
  {
    name: 'lighter.statements.create',
    method: 'POST',
    path: '/sessions/:session_id/statements',
    body: [required('code', 'text', 'Python code.')],
    answer: 'json',
    description: 'Hands code to a session and does not wait for it. To wait for the end use lighter.execute.',
  },
  {
    name: 'lighter.statements.list',
    method: 'GET',
    path: '/sessions/:session_id/statements',
    query: PAGE,
    answer: 'json',
    description: "Lists a session's statements, newest first.",
  },
  {
    name: 'lighter.statements.get',
    method: 'GET',
    path: '/sessions/:session_id/statements/:id',
    answer: 'json',
    description: 'Shows one statement.',
  },
  {
    name: 'lighter.statements.cancel',
    method: 'POST',
    path: '/sessions/:session_id/statements/:id/cancel',
    answer: 'json',
    repeatSafe: true,
    description: 'Marks a waiting statement as cancelled; code that runs already is not interrupted by Lighter.',
  },
];
