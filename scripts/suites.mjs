/**
 * Which test file belongs to which suite: by the word before `.test`. Everything without such a word is fast.
 *
 * - slow: needs nothing, but takes long (crash tests)
 * - spark: needs SPARK_HOME
 * - flink: needs FLINK_REST_URL, the address of a session cluster, and FLINK_HOME
 * - chain: needs both
 * - postgres: needs POSTGRES_URL, a server on which databases may be created
 * - redis: needs POSTGRES_URL, and REDIS_URL, a server that tests may flush
 * - long: needs nothing, but takes many minutes (planted bugs, many random cases); only when named, as `.ci/full` does
 * - spark-long, flink-long: need SPARK_HOME, FLINK_HOME and FLINK_REST_URL, and many minutes; only when named
 */
export const SUITES = [
  'fast',
  'slow',
  'postgres',
  'redis',
  'spark',
  'flink',
  'chain',
  'long',
  'spark-long',
  'flink-long',
];

/** What `npm test` runs. */
export const USUAL_SUITES = SUITES.filter((name) => !name.endsWith('long'));

/**
 * Fast test files of these folders of `test/`, and these files, run together, each line in one process (test/suites/gather.ts). ava starts a process
 * for every file, which takes half a second of CPU and up to three times as much again to load what is tested: for most files
 * that is most of their time. Left alone are files that start processes, wait at the top level, or measure the time of their process.
 */
export const GATHERED = [
  ['dsl'],
  ['expressions', 'yaql'],
  ['core', 'suites', 'api/call-check.test', 'api/schema.test', 'api/test-command.test'],
  ['queue', 'store', 'simulation', 'executors/external-jobs.test'],
  [
    'engine/background.test',
    'engine/conductor.test',
    'engine/eviction.test',
    'engine/flows.test',
    'engine/scale.test',
    'engine/secrets.test',
    'engine/timers.test',
    'engine/triggers.test',
  ],
  [
    'api/auth.test',
    'api/cello-contract.test',
    'api/client.test',
    'api/code-sources.test',
    'api/connections.test',
    'api/definitions.test',
    'api/executions.test',
    'api/files.test',
    'api/graph.test',
    'api/hostile.test',
    'api/routing.test',
    'api/storage.test',
    'api/streams.test',
    'api/triggers.test',
  ],
  [
    'executors/flink-client.test',
    'executors/flink-docs.test',
    'executors/flink-operations.test',
    'executors/flink-run-jar.test',
    'executors/job-files.test',
    'executors/spark-servers.test',
    'executors/std-remote.test',
    'executors/std.test',
    'executors/worker.test',
  ],
];

/**
 * Patterns for ava's `files`; `BUILD` stands for the build folder. `gathered`: with the files that test/suites/gather.ts
 * writes in place of those that they import.
 */
export function suiteFiles(suite, { gathered = false } = {}) {
  if (!SUITES.includes(suite)) throw new Error(`TEST_SUITE=${suite}: the suites are ${SUITES.join(', ')}`);
  if (suite !== 'fast') return [`BUILD/test/**/*.${suite}.test.js`];
  const others = SUITES.slice(1).map((name) => `!BUILD/test/**/*.${name}.test.js`);
  const replaced = gathered ? GATHERED.flat() : ['gathered'];
  return [
    'BUILD/test/**/*.test.js',
    ...others,
    ...replaced.map((name) => `!BUILD/test/${name}${name.endsWith('.test') ? '.js' : '/**'}`),
  ];
}
