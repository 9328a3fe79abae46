import type { ClusterPools, RunningClusterPools } from '../cluster-pool/index.ts';
import type { ActionCatalogue } from '../engine/contract.ts';
import type { Engine } from '../engine/facade.ts';
import type { CronTriggers } from '../engine/shell/cron-triggers.ts';
import type { Definitions } from '../engine/shell/definitions.ts';
import type { EventTriggers } from '../engine/shell/event-triggers.ts';
import type { Maintenance } from '../engine/shell/maintenance.ts';
import type { Store } from '../engine/store/connection.ts';
import type { DefinitionFinder } from '../engine/store/definition-finder.ts';
import type { JobFileLimits } from '../engine/store/job-files.ts';
import type { ModuleDescription } from '../engine/store/dynamic-actions.ts';

export interface ModuleReader {
  /** @throws EngineError INVALID_INPUT when the content is no module that loads. */
  describe(name: string, content: string): Promise<ModuleDescription>;
}

/** A process as one of a group of its kind (spec/rest-api.md §3.15). */
export interface ServiceGroup {
  readonly name: string;
  readonly type: string;
}

/** What the handlers call: reads go to the store, everything that decides goes to the engine. */
export interface Services {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly finder: DefinitionFinder;
  readonly engine: Engine;
  readonly cronTriggers: CronTriggers;
  readonly eventTriggers: EventTriggers;
  readonly maintenance: Maintenance;
  readonly catalogue: ActionCatalogue;
  /** Clusters that can be leased. */
  readonly pools: Pick<RunningClusterPools, 'settings'> & ClusterPools;
  /** Reads what modules say of their actions; absent where dynamic actions are switched off. */
  readonly modules?: ModuleReader | undefined;
  /** How much projects may keep of files for jobs. */
  readonly fileLimits: JobFileLimits;
  /** A JSON file that `GET /info` answers with, or null to switch that off. */
  readonly infoFile: string | null;
  /** The groups that this process belongs to, for `GET /v2/services`. */
  processes(): Promise<readonly ServiceGroup[]> | readonly ServiceGroup[];
}
