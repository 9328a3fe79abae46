/**
 * Which test file belongs to which suite: by the word before `.test`. Everything without such a word is fast.
 *
 * - slow: needs nothing, but takes long (crash tests)
 * - spark: needs SPARK_HOME
 * - flink: needs FLINK_REST_URL, the address of a session cluster, and FLINK_HOME
 * - chain: needs all of these
 */
export const SUITES = ['fast', 'slow', 'spark', 'flink', 'chain'];

/** Patterns for ava's `files`; `BUILD` stands for the build folder. */
export function suiteFiles(suite) {
  if (!SUITES.includes(suite)) throw new Error(`TEST_SUITE=${suite}: the suites are ${SUITES.join(', ')}`);
  if (suite !== 'fast') return [`BUILD/test/**/*.${suite}.test.js`];
  return ['BUILD/test/**/*.test.js', ...SUITES.slice(1).map((name) => `!BUILD/test/**/*.${name}.test.js`)];
}
