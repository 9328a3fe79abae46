import type { Action } from '../action.ts';
import { createJarBackend } from './jar-backend.ts';
import { JarStore } from './jars.ts';
import { flinkRunJar } from './run-jar.ts';
import { FlinkServers, type FlinkOptions, type HttpClients } from './servers.ts';

export type { FlinkOptions, HttpClients } from './servers.ts';

/** Flink jobs (spec/flink.md §3). */
export function flinkPack(options: FlinkOptions, http: HttpClients): readonly Action[] {
  const servers = new FlinkServers(options, http);
  const jars = new JarStore(options, http.forUsers);
  return [flinkRunJar(createJarBackend(servers, jars))];
}
