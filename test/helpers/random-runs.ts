import { randomInt } from 'node:crypto';

/**
 * How many random cases a test tries: `usual` ones, times the environment variable `TEST_RUNS`. The fast suite tries a few of each;
 * test/random.long.test.ts, and whoever looks for a rare fault, many.
 */
export function randomRuns(usual: number): number {
  return Math.ceil(usual * Number(process.env['TEST_RUNS'] ?? 1));
}

/**
 * The seed of a test that tries other cases in every run: fast-check prints it when a case fails, and `TEST_SEED=…` tries the same
 * cases again. Only for what must hold in every case, whatever it is; what is counted needs a margin, or a seed of its own.
 */
export function freshSeed(): number {
  const given = Number(process.env['TEST_SEED']);
  return Number.isInteger(given) && given !== 0 ? given : randomInt(1, 2 ** 31);
}
