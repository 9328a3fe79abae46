/**
 * Which test file belongs to which suite: by the word before `.test`, and of files without such a word by their place.
 *
 * - fast: all others; hardly any starts a process: run it after every change
 * - packs: the action packs and pools against stand-ins of their servers
 * - processes: starts the program itself, many times, and kills it
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
  'packs',
  'processes',
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

/** Files of these places in `test/`, folders or files without their extension, are of these suites unless their name says otherwise. */
const PLACES = {
  packs: ['executors', 'cluster-pool', 'api/cello-contract.test', 'api/clusters.test', 'api/files.test'],
  processes: [
    'api/cli.test',
    'api/concurrency.test',
    'api/deploy.test',
    'api/run-left-overs.test',
    'api/serve.test',
    'bad-input.test',
    'engine/leases.test',
    'engine/recovery.test',
    'examples.test',
    'flink-crash.test',
    'readme.test',
  ],
};

/**
 * Test files of these folders of `test/`, and these files, run together, each line in one process (test/suites/gather.ts). ava starts a process
 * for every file, which takes half a second of CPU and up to three times as much again to load what is tested: for most files
 * that is most of their time. Left alone are files that start processes, wait at the top level, or measure the time of their process.
 * The files of a line are of one suite.
 */
const LINES = [
  ['dsl'],
  ['expressions', 'yaql'],
  ['core', 'suites', 'api/call-check.test', 'api/schema.test', 'api/task-lines.test', 'api/test-command.test'],
  ['queue', 'store', 'simulation'],
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
    'api/client.test',
    'api/code-sources.test',
    'api/connections.test',
    'api/definitions.test',
    'api/executions.test',
    'api/graph.test',
    'api/hostile.test',
    'api/routing.test',
    'api/storage.test',
    'api/streams.test',
    'api/triggers.test',
  ],
  [
    'api/cello-contract.test',
    'api/files.test',
    'executors/external-jobs.test',
    'executors/flink-client.test',
    'executors/flink-docs.test',
    'executors/flink-fake.test',
    'executors/flink-operations.test',
    'executors/flink-run-jar.test',
    'executors/job-files.test',
    'executors/spark-servers.test',
    'executors/std-remote.test',
    'executors/std.test',
    'executors/worker.test',
  ],
];

export const GATHERED = LINES.map((places) => ({ name: gatheredName(places), suite: suiteOf(places[0]), places }));

/**
 * Patterns for ava's `files`; `BUILD` stands for the build folder.
 *
 * @param suite null: every file without a suite in its name.
 * @param gathered with the files that test/suites/gather.ts writes in place of those that they import.
 */
export function suiteFiles(suite, { gathered = false } = {}) {
  if (suite !== null && !SUITES.includes(suite))
    throw new Error(`TEST_SUITE=${suite}: the suites are ${SUITES.join(', ')}`);
  const places = suite === null ? [] : PLACES[suite];
  if (suite !== null && suite !== 'fast' && places === undefined) return [`BUILD/test/**/*.${suite}.test.js`];
  const elsewhere = suite === 'fast' ? Object.values(PLACES).flat() : [];
  const bySuffix = SUITES.filter((name) => name !== 'fast' && PLACES[name] === undefined);
  const own = GATHERED.filter((line) => line.suite === suite);
  const others = GATHERED.filter((line) => line.suite !== suite);
  return [
    ...(places?.length > 0 ? places : ['.']).map(pattern),
    ...bySuffix.map((name) => `!BUILD/test/**/*.${name}.test.js`),
    ...elsewhere.map((place) => `!${pattern(place)}`),
    ...(gathered
      ? [
          ...own.map(({ name }) => pattern(`gathered/${name}.test`)),
          ...GATHERED.flatMap((line) => line.places.map((place) => `!${pattern(place)}`)),
          ...others.map(({ name }) => `!${pattern(`gathered/${name}.test`)}`),
        ]
      : ['!BUILD/test/gathered/**']),
  ];
}

/** The name of the file, without its extensions, that imports the files of a line: of the first parts of their places. */
function gatheredName(places) {
  return [...new Set(places.map((place) => place.split('/')[0]))].join('-');
}

function suiteOf(place) {
  const found = Object.entries(PLACES).find(([, places]) =>
    places.some((folder) => place === folder || place.startsWith(`${folder}/`)),
  );
  return found === undefined ? 'fast' : found[0];
}

function pattern(place) {
  if (place === '.') return 'BUILD/test/**/*.test.js';
  return place.endsWith('.test') ? `BUILD/test/${place}.js` : `BUILD/test/${place}/**/*.test.js`;
}
