import { references } from '../../dsl/expressions/index.ts';
import { graphOf, type WorkflowGraph } from '../../dsl/graph.ts';
import type { WorkflowSpec } from '../../dsl/spec/types.ts';

/** What the engine derives from a spec once: which finished tasks later decisions may still ask for. */
export interface SpecAnalysis {
  readonly graph: WorkflowGraph;
  /** Tasks whose results expressions name: `task(x)` with a constant. */
  readonly namedTasks: ReadonlySet<string>;
  /**
   * Tasks from which a join can be reached: their outcome decides whether it can still be met (spec/engine.md §12). Joins
   * themselves as well: a later arrival finds the one execution that a join has.
   */
  readonly beforeJoins: ReadonlySet<string>;
}

export function analyse(spec: WorkflowSpec): SpecAnalysis {
  const known = cache.get(spec);
  if (known !== undefined) return known;
  const graph = graphOf(spec);
  const analysis: SpecAnalysis = {
    graph,
    namedTasks: new Set(references(spec.raw).tasks),
    beforeJoins: spec.type === 'reverse' ? new Set(spec.tasks.keys()) : tasksBeforeJoins(spec, graph),
  };
  cache.set(spec, analysis);
  return analysis;
}

const cache = new WeakMap<WorkflowSpec, SpecAnalysis>();

function tasksBeforeJoins(spec: WorkflowSpec, graph: WorkflowGraph): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [...spec.tasks.values()].filter((task) => task.join !== null).map((task) => task.name);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    pending.push(...graph.inbound(name));
  }
  return found;
}
