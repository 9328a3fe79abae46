import test, { type ExecutionContext } from 'ava';
import { isDeepStrictEqual } from 'node:util';
import { assert, asyncProperty } from 'fast-check';
import { openTestEngine, type TestEngine } from '../helpers/engine.ts';
import { picture, play } from './players.ts';
import { type Scenario, scenarios, subWorkflowText, workflowText } from './random-workflows.ts';
import { randomRuns } from '../helpers/random-runs.ts';

// Random workflows may go in circles.
const LIMITS = { tasksPerName: 40 };

/** An engine that forgets every view before each statement, so that each batch decides on what is stored. */
async function openForgetful(t: ExecutionContext): Promise<TestEngine> {
  const e = await openTestEngine(t, { limits: LIMITS });
  e.store.writer.on('query', () => e.engine.forgetViews());
  return e;
}

test('an execution comes to the same end whether its view was kept or loaded anew for every step', async (t) => {
  const keeping = await openTestEngine(t, { limits: LIMITS });
  const forgetful = await openForgetful(t);
  let count = 0;
  await assert(
    asyncProperty(scenarios, async (scenario) => {
      const name = `w${count++}`;
      const kept = await perform(keeping, name, scenario);
      const forgotten = await perform(forgetful, name, scenario);
      const at = kept.findIndex((seen, i) => !isDeepStrictEqual(seen, forgotten[i]));
      if (at !== -1) throw new Error(difference(scenario, name, at, kept[at], forgotten[at]));
    }),
    {
      includeErrorInReport: true,
      numRuns: randomRuns(8),
      seed: Number(process.env.EVICTION_SEED ?? 20261122),
    },
  );
  t.pass();
});

function difference(scenario: Scenario, name: string, at: number, kept: unknown, forgotten: unknown): string {
  const lines = (value: unknown) => JSON.stringify(value, null, 1).split('\n');
  const [left, right] = [lines(kept), lines(forgotten)];
  const first = left.findIndex((line, i) => line !== right[i]);
  const show = (side: string[]) => side.slice(Math.max(0, first - 6), first + 4).join('\n');
  const acts = JSON.stringify(scenario.acts.slice(0, at));
  return `${workflowText(name, scenario)}after ${acts}\nkept:\n${show(left)}\nloaded anew:\n${show(right)}`;
}

async function perform(e: TestEngine, name: string, scenario: Scenario): Promise<unknown[]> {
  await e.upload(subWorkflowText(name));
  await e.upload(workflowText(name, scenario));
  e.waiting.length = 0;
  const record = await e.start(name);
  const pictures = [await picture(e, record.id)];
  for (const act of scenario.acts) {
    await play(e, record, act);
    pictures.push(await picture(e, record.id));
  }
  return pictures;
}
