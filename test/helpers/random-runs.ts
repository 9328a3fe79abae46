/**
 * How many random cases a test tries: `usual` ones, times the environment variable `TEST_RUNS`. The fast suite tries a few of each;
 * test/random.long.test.ts, and whoever looks for a rare fault, many.
 */
export function randomRuns(usual: number): number {
  return Math.ceil(usual * Number(process.env['TEST_RUNS'] ?? 1));
}
