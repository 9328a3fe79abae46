import type { Action } from '../action.ts';
import { createJarBackend } from './jar-backend.ts';
import type { FlinkOptions, HttpClients } from './plan.ts';
import { flinkRunJar } from './run-jar.ts';

export type { FlinkOptions, HttpClients } from './plan.ts';

/** Flink jobs (spec/flink.md §3). */
export function flinkPack(options: FlinkOptions, http: HttpClients): readonly Action[] {
  return [flinkRunJar(createJarBackend(options, http))];
}
