import { difference, judge, picture } from './judge.ts';
import type { Scenario } from './scenario.ts';
import { type Ran, run } from './world.ts';

export interface Simulated {
  readonly ran: Ran;
  readonly problems: readonly string[];
}

/** Runs a scenario and judges it; a confluent one is also compared with its undisturbed self. */
export async function simulate(scenario: Scenario, options: { readonly trace?: boolean } = {}): Promise<Simulated> {
  const ran = await run(scenario, options);
  const problems = judge(ran);
  // An action that was lost with its executor fails, and then so does what follows.
  if (problems.length > 0 || !scenario.isConfluent || ran.hasLostActions) return { ran, problems };
  const undisturbed = await run({ ...scenario, faults: [], operations: [], nodes: 1 }, { order: 1 });
  const wrong = judge(undisturbed).map((problem) => `undisturbed: ${problem}`);
  // Which of its branches reach a join after it has failed, so that it fails once more (spec/engine.md E-12.7), is a matter of time.
  if (hasFailedAgain(ran) || hasFailedAgain(undisturbed)) return { ran, problems: wrong };
  const seen = difference(picture(undisturbed), picture(ran));
  return { ran, problems: seen === null ? wrong : [...wrong, seen] };
}

function hasFailedAgain(ran: Ran): boolean {
  return ran.database
    .rows('task_executions')
    .some(
      ({ state, state_info: why, runtime_context: context }) =>
        state === 'ERROR' && String(why).startsWith('Failed by tasks') && String(context).includes('"join_rounds"'),
    );
}
