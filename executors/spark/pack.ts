import type { Action } from '../action.ts';
import type { SparkOptions } from './plan.ts';
import { createProcessBackend } from './process-backend.ts';
import { sparkSubmit } from './submit.ts';

export type { SparkOptions } from './plan.ts';

/** Spark jobs (spec/spark.md §8). */
export function sparkPack(options: SparkOptions): readonly Action[] {
  return [sparkSubmit(createProcessBackend(options))];
}
