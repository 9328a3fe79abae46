/**
 * The pause before a job is looked at again. It grows with the job's age (a fifth of it, between the first and the longest pause of the
 * plan, after ten minutes slowly up to a minute), is stretched when one server has very many jobs, and is never the same twice.
 */
export function pollPause(of: {
  readonly ageMs: number;
  readonly first: number;
  readonly longest: number;
  readonly jobsOfServer: number;
  readonly pollsPerSecond: number;
  /** 0 to 1 */
  readonly random: number;
}): number {
  const young = Math.min(of.longest, Math.max(of.first, of.ageMs / 5));
  const old = of.ageMs > TEN_MINUTES_MS ? Math.min(60_000, of.ageMs / 60) : 0;
  const crowded = (of.jobsOfServer / of.pollsPerSecond) * 1000;
  return Math.max(young, old, crowded) * (0.9 + of.random / 5);
}

/** Doubles from a second up to the longest, with jitter. */
export function retryPause(tries: number, random: number, longestMs: number): number {
  return Math.min(longestMs, 500 * 2 ** Math.min(30, tries)) * (0.75 + random / 2);
}

/** While a cancel is pending: often at first, every two seconds later. */
export function cancelPause(sinceMs: number): number {
  return Math.min(2000, 200 + sinceMs / 4);
}

const TEN_MINUTES_MS = 600_000;
