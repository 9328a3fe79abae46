import type { Scenario, WorkflowModel } from './scenario.ts';
import { simulate, type Simulated } from './simulate.ts';

const MOST_RUNS = 150;

/** The same failure with fewer tasks, faults and operations; with a trace. */
export async function shrink(
  scenario: Scenario,
  problems: readonly string[],
): Promise<Simulated & { readonly scenario: Scenario }> {
  let smallest = scenario;
  let runs = 0;
  const kind = kindOf(problems);
  for (let isSmaller = true; isSmaller && runs < MOST_RUNS; ) {
    isSmaller = false;
    for (const candidate of smaller(smallest)) {
      if (runs++ >= MOST_RUNS) break;
      const found = await simulate(candidate).catch(() => null);
      if (found === null || kindOf(found.problems) !== kind) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return { scenario: smallest, ...(await simulate(smallest, { trace: true })) };
}

/** What goes wrong, without names and numbers. */
function kindOf(problems: readonly string[]): string {
  const [first = ''] = problems;
  return (first.split('\n')[0] ?? '').replaceAll(/[0-9a-f-]{8,}|\d+/g, '#').slice(0, 30);
}

function* smaller(scenario: Scenario): Generator<Scenario> {
  const { faults, operations, workflows } = scenario;
  for (let i = faults.length - 1; i >= 0; i--) yield { ...scenario, faults: faults.toSpliced(i, 1) };
  for (let i = operations.length - 1; i >= 0; i--) yield { ...scenario, operations: operations.toSpliced(i, 1) };
  if (scenario.nodes > 1) yield { ...scenario, nodes: scenario.nodes - 1 };
  for (const [at, workflow] of workflows.entries()) {
    for (let i = workflow.tasks.length - 1; i >= 0 && workflow.tasks.length > 1; i--)
      yield { ...scenario, workflows: workflows.with(at, { ...workflow, tasks: workflow.tasks.toSpliced(i, 1) }) };
    for (const [i, task] of workflow.tasks.entries()) {
      for (const key of Object.keys(task.body)) {
        if (key === 'input' || key === 'with-items' || key === 'action' || key === 'workflow') continue;
        const { [key]: _dropped, ...body } = task.body;
        yield { ...scenario, workflows: workflows.with(at, withTask(workflow, i, { ...task, body })) };
      }
      for (const k of task.transitions.keys())
        yield {
          ...scenario,
          workflows: workflows.with(
            at,
            withTask(workflow, i, { ...task, transitions: task.transitions.toSpliced(k, 1) }),
          ),
        };
      if (Object.keys(task.scopes).length > 0)
        yield { ...scenario, workflows: workflows.with(at, withTask(workflow, i, { ...task, scopes: {} })) };
    }
  }
}

function withTask(workflow: WorkflowModel, i: number, task: WorkflowModel['tasks'][number]): WorkflowModel {
  return { ...workflow, tasks: workflow.tasks.with(i, task) };
}
