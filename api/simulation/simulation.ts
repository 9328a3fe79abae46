import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionCatalogue, ActionDefinition } from '../../engine/contract.ts';
import { decide } from '../../engine/core/decide.ts';
import type { Env, FoundAction, FoundWorkflow } from '../../engine/core/env.ts';
import { isUserFailure } from '../../engine/core/failure.ts';
import { lookupKey } from '../../engine/core/lookups.ts';
import {
  type ActionRecord,
  type Change,
  type Command,
  type Event,
  type ExecutionId,
  type ExecutionRecord,
  isFinal,
  type Lookup,
} from '../../engine/core/model.ts';
import { environmentOf, newExecution } from '../../engine/core/new-execution.ts';
import { createView } from '../../engine/core/view.ts';
import { Agenda } from './agenda.ts';
import { type Answer, Answers, childOutput, calledByMockedTask, interceptedActions, type Mocks } from './mocks.ts';
import { Rows } from './rows.ts';

/** Definitions by the names that they are stored by. */
export interface Library {
  readonly workflows: ReadonlyMap<string, FoundWorkflow>;
  readonly actions: ReadonlyMap<string, FoundAction>;
  readonly catalogue: ActionCatalogue;
}

export interface Scenario {
  readonly workflow: FoundWorkflow;
  readonly input: JsonObject;
  readonly params: JsonObject;
  readonly mocks: Mocks;
}

/** What became of a run. `path` of a task is its name, in a sub-workflow behind that of the task that called it. */
export interface SimulatedTask {
  readonly path: string;
  readonly state: string;
  readonly stateInfo: string | null;
  readonly published: Json;
  readonly result: Json;
  /** False for tasks of sub-workflows. */
  readonly isOwn: boolean;
  /** False for joins that still wait and tasks that were never reached. */
  readonly isStarted: boolean;
}

export interface SimulatedRun {
  readonly state: string;
  readonly stateInfo: string | null;
  readonly output: JsonObject;
  /** Virtual seconds from start to end. */
  readonly seconds: number;
  /** In the order in which they were started. */
  readonly tasks: readonly SimulatedTask[];
  /** What the mocks do not cover: the run is then worth nothing. */
  readonly faults: readonly string[];
}

/**
 * Runs a workflow on the pure core alone: no clock, no database, no action. Time is virtual and moves on when nothing is left to do
 * at the moment.
 */
export function simulate(library: Library, scenario: Scenario): SimulatedRun {
  return new Simulation(library, scenario).run();
}

const PROJECT = 'test';
const START = Date.UTC(2026, 0, 1);
/** So that a workflow without end comes to one. */
const MOST_EVENTS = 100_000;

interface Due {
  readonly to: ExecutionId;
  readonly event: Event;
}

class Simulation {
  private readonly library: Library;
  private readonly scenario: Scenario;
  private readonly catalogue: ActionCatalogue;
  private readonly answers: Answers;
  private readonly executions = new Map<ExecutionId, Rows>();
  private readonly agenda = new Agenda<Due>();
  private readonly started: string[] = [];
  private readonly faults: string[] = [];
  private rows = new Map<string, readonly JsonObject[]>();
  private now = START;
  private counter = 0;

  constructor(library: Library, scenario: Scenario) {
    this.library = library;
    this.scenario = scenario;
    this.answers = new Answers(scenario.mocks);
    this.catalogue = mockable(library, scenario.mocks);
  }

  run(): SimulatedRun {
    const created = this.createRoot();
    if ('fault' in created) return refused(created.fault);
    const root = created.id;
    const refusal = this.handle({ to: root, event: { type: 'workflow-started' } });
    if (refusal !== null) return refused(refusal);
    let events = 0;
    for (let next = this.agenda.next(); next !== undefined && this.faults.length === 0; next = this.agenda.next()) {
      if (isFinal(this.rowsOf(root).view.record.state)) break;
      this.now = Math.max(this.now, next.at);
      this.handle(next.item);
      if (++events === MOST_EVENTS) this.faults.push(`the workflow has not ended after ${MOST_EVENTS} events`);
    }
    const { state, stateInfo, output } = this.rowsOf(root).view.record;
    return {
      state,
      stateInfo,
      output,
      seconds: (this.now - START) / 1000,
      tasks: this.allTasks(root),
      faults: this.faults,
    };
  }

  private createRoot(): { readonly id: ExecutionId } | { readonly fault: string } {
    const { workflow, input, params } = this.scenario;
    const env = this.env();
    try {
      const environment = environmentOf(env, params, PROJECT);
      const record = newExecution(env, {
        id: this.newId() as ExecutionId,
        workflow,
        input,
        params: { ...params, ...(params['env'] === undefined ? {} : { env: environment }) },
        description: '',
        projectId: PROJECT,
        parent: null,
      });
      this.executions.set(record.id, new Rows(createView(workflow.spec, record, environment)));
      return { id: record.id };
    } catch (error) {
      if (isUserFailure(error)) return { fault: `cannot be started: ${error.message}` };
      throw error;
    }
  }

  /** Decides an event and does what follows from it. Answers the core's refusal of a start. */
  private handle({ to, event }: Due): string | null {
    const rows = this.rowsOf(to);
    this.rows = new Map();
    for (;;) {
      const decision = decide(rows.view, event, this.env());
      if (decision.kind === 'needs') {
        for (const lookup of decision.lookups) this.rows.set(lookupKey(lookup), this.answer(rows, lookup));
        continue;
      }
      if (decision.kind === 'refused') return event.type === 'workflow-started' ? decision.message : null;
      if (decision.kind === 'ignored') return null;
      for (const change of decision.changes) this.fold(rows, change);
      for (const command of decision.commands) this.obey(rows, command);
      return null;
    }
  }

  private fold(rows: Rows, change: Change): void {
    const { id } = rows.view.record;
    if (change.type === 'action-created' && change.action.state === 'RUNNING') {
      // A mock stands for all that the call yields: what an ad-hoc action makes of the result is part of it.
      const isMocked = this.answers.has(this.pathOf(rows, change.action), namesOf(change.action));
      rows.fold(isMocked ? { ...change, action: { ...change.action, wrappers: [] } } : change);
      return;
    }
    rows.fold(change);
    if (change.type === 'task-updated' && change.patch.startedAt !== undefined && change.patch.startedAt !== null) {
      if (!this.started.includes(change.id)) this.started.push(change.id);
    }
    if (change.type === 'timer-set') {
      this.agenda.add(change.timer.dueAt, { to: id, event: { type: 'timer-fired', timer: change.timer.id } });
    }
  }

  private obey(rows: Rows, command: Command): void {
    switch (command.type) {
      case 'continue':
        this.agenda.add(this.now, { to: rows.view.record.id, event: { type: 'continue' } });
        return;
      case 'send':
        this.agenda.add(this.now, { to: command.to, event: command.event });
        return;
      case 'run-action': {
        const action = rows.actions.get(command.action);
        if (action !== undefined) this.runAction(rows, action);
        return;
      }
      case 'start-child': {
        const child = rows.children.get(command.child);
        if (child !== undefined) this.startChild(rows, child);
        return;
      }
      // Its result comes late, and the core takes no notice of it.
      case 'stop-action':
        return;
    }
  }

  private runAction(rows: Rows, action: ActionRecord): void {
    const answer = this.answers.next(this.pathOf(rows, action), namesOf(action)) ?? this.ownAnswer(rows, action);
    if (typeof answer === 'string') {
      this.faults.push(answer);
      return;
    }
    this.agenda.add(this.now + answer.delay * 1000, {
      to: rows.view.record.id,
      event: { type: 'action-completed', action: action.id, attempt: action.attempt, result: answer.result },
    });
  }

  /** Actions without effect on the world give their own result. */
  private ownAnswer(rows: Rows, action: ActionRecord): Answer | string {
    const { systemName, systemInput, input } = action;
    if (this.library.catalogue.find(systemName)?.kind !== 'pure') {
      const task = this.pathOf(rows, action).join('/');
      return `task '${task}' calls ${action.name}, which has no mock: add it to mocks, below tasks or actions`;
    }
    const given = systemInput ?? input;
    const delay = Number(given['delay'] ?? 0);
    return { result: this.library.catalogue.runPure(systemName, given), delay: Number.isFinite(delay) ? delay : 0 };
  }

  private startChild(rows: Rows, child: ExecutionRecord): void {
    const task = child.taskExecutionId;
    if (task === null) return;
    const answer = this.answers.next(this.taskPath(rows, rows.tasks.get(task)?.name ?? ''), []);
    if (typeof answer === 'string') {
      this.faults.push(answer);
      return;
    }
    if (answer === null) {
      const workflow = this.library.workflows.get(child.workflowName);
      if (workflow === undefined) throw new Error(`the workflow '${child.workflowName}' was found before`);
      this.executions.set(child.id, new Rows(createView(workflow.spec, child, rows.view.environment)));
      this.agenda.add(this.now, { to: child.id, event: { type: 'workflow-started' } });
      return;
    }
    const output = childOutput(answer.result);
    const state = answer.result.kind === 'success' ? 'SUCCESS' : 'ERROR';
    this.agenda.add(this.now + answer.delay * 1000, {
      to: rows.view.record.id,
      event: { type: 'child-completed', task, child: child.id, state, stateInfo: null, output },
    });
  }

  private answer(rows: Rows, lookup: Lookup): readonly JsonObject[] {
    switch (lookup.type) {
      case 'task': {
        const task = rows.latestTask(lookup.name);
        return task === undefined ? [] : [rows.taskFields(task)];
      }
      case 'task-row':
        rows.restore(lookup.id);
        return [];
      case 'children':
        return rows.childrenOf(lookup.task, lookup.values);
      case 'payload': {
        const payload = rows.payloads.get(lookup.id);
        return payload === undefined ? [] : [payload];
      }
      case 'tasks': {
        const { workflowExecutionId } = lookup.filter;
        const among = [...this.executions.values()].filter(
          ({ view }) => workflowExecutionId === null || view.record.id === workflowExecutionId,
        );
        return among.flatMap((execution) => [...execution.tasks.values()].map((task) => execution.taskFields(task)));
      }
      // There are no others in this world.
      default:
        return [];
    }
  }

  private allTasks(root: ExecutionId): SimulatedTask[] {
    const order = new Map(this.started.map((id, i) => [id, i]));
    return [...this.executions.values()]
      .flatMap((rows) => [...rows.tasks.values()].map((task) => ({ rows, task })))
      .toSorted((a, b) => (order.get(a.task.id) ?? order.size) - (order.get(b.task.id) ?? order.size))
      .map(({ rows, task }) => ({
        path: this.taskPath(rows, task.name).join('/'),
        state: task.state,
        stateInfo: task.stateInfo,
        published: { ...task.published, ...task.publishedGlobal },
        result: rows.taskResult(task),
        isOwn: rows.view.record.id === root,
        isStarted: order.has(task.id),
      }));
  }

  private pathOf(rows: Rows, action: ActionRecord): readonly string[] {
    return this.taskPath(rows, action.taskName ?? '');
  }

  /** Names of tasks from the root's one down to this one. */
  private taskPath(rows: Rows, task: string): readonly string[] {
    const { parentExecutionId, taskExecutionId } = rows.view.record;
    if (parentExecutionId === null || taskExecutionId === null) return [task];
    const parent = this.rowsOf(parentExecutionId);
    return [...this.taskPath(parent, parent.tasks.get(taskExecutionId)?.name ?? ''), task];
  }

  private rowsOf(id: ExecutionId): Rows {
    const rows = this.executions.get(id);
    if (rows === undefined) throw new Error(`there is no execution ${id}`);
    return rows;
  }

  private env(): Env {
    return {
      now: this.now,
      newId: () => this.newId(),
      catalogue: this.catalogue,
      findAction: (name) => this.library.actions.get(name) ?? null,
      findWorkflow: (name) => this.library.workflows.get(name) ?? null,
      findEnvironment: () => null,
      findRows: (key) => this.rows.get(key),
      executorId: null,
      takeStep: () => true,
      limits: LIMITS,
    };
  }

  /** In the order of creation, as the core relies on. */
  private newId(): string {
    return `00000000-0000-7000-8000-${String(++this.counter).padStart(12, '0')}`;
  }
}

const LIMITS = { tasksPerName: 1000, fieldCharacters: -1 } as const;

function namesOf(action: ActionRecord): readonly string[] {
  return [action.name, action.systemName];
}

function refused(fault: string): SimulatedRun {
  return { state: 'NOT STARTED', stateInfo: fault, output: {}, seconds: 0, tasks: [], faults: [fault] };
}

/** The catalogue, but actions that a mock may stand in for are handed out in place of being evaluated at once. */
function mockable({ catalogue, workflows, actions }: Library, mocks: Mocks): ActionCatalogue {
  const isSystem = (name: string): boolean => catalogue.find(name) !== undefined;
  const specs = [...workflows.values()].map(({ spec }) => spec);
  const intercepted = interceptedActions(mocks, specs, isSystem);
  // An action that only the server knows where the workflow is to run: its mock is all that is needed here.
  const standIn = (name: string): ActionDefinition | undefined =>
    !actions.has(name) && (mocks.actions.has(name) || calledByMockedTask(mocks, specs, name))
      ? unknownAction(name)
      : undefined;
  return {
    find: (name) => catalogue.find(name) ?? standIn(name),
    list: () => catalogue.list(),
    runPure: (name, input) => catalogue.runPure(name, input),
    needsWorker: (name, input) => intercepted === null || intercepted.has(name) || catalogue.needsWorker(name, input),
  };
}

function unknownAction(name: string): ActionDefinition {
  return {
    name,
    description: '',
    kind: 'sync',
    repeatSafe: true,
    parameters: { type: 'object', properties: {}, required: [], additionalProperties: true },
    result: { description: '' },
    examples: [],
  };
}
