import type { Action } from '../action.ts';
import { cancelFlow } from './flows/cancel.ts';
import { createFlowBackend } from './flows/flow.ts';
import { rescaleFlow } from './flows/rescale.ts';
import { savepointFlow, stopFlow } from './flows/savepoint.ts';
import { sqlFlow } from './flows/sql.ts';
import { checkpointFlow, disposeFlow } from './flows/triggers.ts';
import { upgradeFlow } from './flows/upgrade.ts';
import { createWaitBackend } from './flows/wait.ts';
import { createJarBackend } from './jar-backend.ts';
import { JarStore } from './jars.ts';
import { operation } from './operations.ts';
import { plainActions } from './plain-actions.ts';
import { flinkRunJar, flinkUploadAndRun } from './run-jar.ts';
import { FlinkServers, type FlinkOptions, type HttpClients } from './servers.ts';

export type { FlinkOptions, HttpClients } from './servers.ts';

/** Flink jobs, and the whole REST API (spec/flink.md §2, §3). */
export function flinkPack(options: FlinkOptions, http: HttpClients): readonly Action[] {
  const servers = new FlinkServers(options, http);
  const jars = new JarStore(options, http.forUsers);
  const jarBackend = createJarBackend(servers, jars);
  return [
    flinkRunJar(jarBackend),
    flinkUploadAndRun(jarBackend),
    operation('wait', createWaitBackend(servers)),
    operation('cancel', createFlowBackend(cancelFlow, servers)),
    operation('savepoint', createFlowBackend(savepointFlow, servers)),
    operation('stop', createFlowBackend(stopFlow, servers)),
    operation('checkpoint', createFlowBackend(checkpointFlow, servers)),
    operation('dispose_savepoint', createFlowBackend(disposeFlow, servers)),
    operation('rescale', createFlowBackend(rescaleFlow(jars), servers)),
    operation('upgrade', createFlowBackend(upgradeFlow(jars), servers)),
    operation('sql', createFlowBackend(sqlFlow(servers), servers)),
    ...plainActions(servers, jars),
  ];
}
