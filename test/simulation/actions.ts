import type { ActionResult } from '../../engine/contract.ts';
import {
  failure,
  success,
  type Action,
  type ActionContext,
  type JobAction,
  type SyncAction,
} from '../../executors/action.ts';
import { catalogueOf, type Catalogue } from '../../executors/catalogue.ts';
import type { JobBackend } from '../../executors/jobs/backend.ts';
import { echo } from '../../executors/std/echo.ts';
import { stdPack } from '../../executors/std/pack.ts';
import type { JsonObject } from '../../dsl/json.ts';

/** What actions do when they run is the simulator's business. */
export interface ActionHost {
  run(isRepeatSafe: boolean, context: ActionContext): Promise<ActionResult>;
  sleep(milliseconds: number): Promise<void>;
  readonly jobs: JobBackend;
}

const PARAMETERS = { type: 'object', properties: { i: {} }, required: [], additionalProperties: true } as const;

/** The catalogue of one node: Mistral's own actions that need no network, and three that the simulator does. */
export function simulatedCatalogue(host: ActionHost): Catalogue {
  const sync = (name: string, repeatSafe: boolean): SyncAction => ({
    name,
    description: 'Runs for a while.',
    kind: 'sync',
    repeatSafe,
    parameters: PARAMETERS,
    result: { description: 'What the simulator says.' },
    examples: [],
    run: (_input, context) => host.run(repeatSafe, context),
  });
  const job: JobAction = {
    name: 'sim.job',
    description: 'A job outside.',
    kind: 'job',
    repeatSafe: true,
    parameters: PARAMETERS,
    result: { description: 'What the simulator says.' },
    examples: [],
    backend: host.jobs,
  };
  // With the simulator's time instead of the system's.
  const slowEcho: Action = {
    ...echo,
    worker: {
      needed: (input) => echo.worker?.needed(input) === true,
      run: async (input) => {
        await host.sleep(1000 * Number(input.delay));
        return echo.evaluate({ output: input.output ?? null });
      },
    },
  };
  return catalogueOf([...KNOWN, slowEcho, sync('sim.work', false), sync('sim.safe', true), job]);
}

const STD: ReadonlySet<string> = new Set(['std.noop', 'std.fail', 'std.async_noop']);
const KNOWN: readonly Action[] = stdPack().filter(({ name }) => STD.has(name));

export function resultOf(isGood: boolean, output: JsonObject): ActionResult {
  return isGood ? success(output) : failure(output);
}
