import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../helpers/project.ts';

export interface SuiteCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Deviation {
  readonly suite: string;
  /** Ids of cases. */
  readonly cases: readonly string[];
  /** Why this product does something else on purpose. */
  readonly reason: string;
}

export async function readDeviations(suite: string): Promise<ReadonlyMap<string, string>> {
  const file = join(projectRoot, 'test/conformance/deviations.json');
  const deviations = JSON.parse(await readFile(file, 'utf8')) as readonly Deviation[];
  return new Map(
    deviations
      .filter((entry) => entry.suite === suite)
      .flatMap((entry) => entry.cases.map((id) => [id, entry.reason] as const)),
  );
}
