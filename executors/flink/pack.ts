import type { Action } from '../action.ts';
import { createJarBackend, type HttpClients } from './jar-backend.ts';
import type { FlinkOptions } from './plan.ts';
import { flinkRunJar } from './run-jar.ts';

export type { FlinkOptions } from './plan.ts';
export type { HttpClients } from './jar-backend.ts';

/** Flink jobs (spec/flink.md §3). */
export function flinkPack(options: FlinkOptions, http: HttpClients): readonly Action[] {
  return [flinkRunJar(createJarBackend(options, http))];
}
