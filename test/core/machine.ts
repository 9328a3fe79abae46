import { parseActions, parseWorkflows } from '../../dsl/index.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { WorkflowSpec } from '../../dsl/spec/types.ts';
import type { ActionResult } from '../../engine/contract.ts';
import {
  actionResult,
  answerChildren,
  updatedAction,
  updatedChild,
  workflowResult,
} from '../../engine/core/children.ts';
import { addTask, childOf, createView, evolve, type ExecutionView, membersOf } from '../../engine/core/view.ts';
import type { ContextNode } from '../../engine/core/context.ts';
import { decide } from '../../engine/core/decide.ts';
import type { Env, FoundAction, FoundWorkflow } from '../../engine/core/env.ts';
import { lookupKey } from '../../engine/core/lookups.ts';
import {
  type ActionRecord,
  type Change,
  type Command,
  type Decision,
  type Event,
  type ExecutionId,
  type ExecutionRecord,
  isFinal,
  type Lookup,
  type TaskExecutionId,
  type TaskRecord,
  type TimerRecord,
} from '../../engine/core/model.ts';
import { environmentOf, newExecution } from '../../engine/core/new-execution.ts';
import { createCatalogue } from '../../executors/index.ts';

const CATALOGUE = createCatalogue();

export interface MachineOptions {
  readonly input?: JsonObject;
  readonly params?: JsonObject;
  /** Which of the workflows of the text; default: the first. */
  readonly workflow?: string;
  /** Ad-hoc actions, as a document. */
  readonly actions?: string;
  readonly environments?: Readonly<Record<string, JsonObject>>;
  readonly tasksPerName?: number;
  readonly fieldCharacters?: number;
  readonly wrongCalls?: 'forced' | 'graceful';
  /** Inline steps of one decision; what is left waits for `continue`. */
  readonly steps?: number;
  /** Takes the text as an upload does that asks not to be checked. */
  readonly unchecked?: boolean;
  /** Makes the execution a child of another one. */
  readonly isChild?: boolean;
  /** Where actions are inserted already claimed. */
  readonly executorId?: string;
}

/** One execution of the pure core: events go in, changes are folded, commands pile up. No clock, no database. */
export class Machine {
  now = Date.UTC(2026, 0, 1);
  readonly view: ExecutionView;
  readonly commands: Command[] = [];
  readonly changes: Change[] = [];
  /** Every row ever made, as a store would have it. */
  readonly tasks = new Map<TaskExecutionId, TaskRecord>();
  readonly actions = new Map<string, ActionRecord>();
  readonly children = new Map<ExecutionId, ExecutionRecord>();
  readonly timers = new Map<string, TimerRecord>();
  readonly payloads = new Map<string, JsonObject>();
  readonly lookups: Lookup[] = [];
  decisions = 0;
  private readonly nodes = new Map<TaskExecutionId, ContextNode>();
  private readonly rows = new Map<string, readonly JsonObject[]>();
  private readonly workflows: ReadonlyMap<string, FoundWorkflow>;
  private readonly adHoc: ReadonlyMap<string, FoundAction>;
  private readonly options: MachineOptions;
  private counter = 0;

  constructor(text: string, options: MachineOptions = {}) {
    this.options = options;
    // `{}` stands for a task that does nothing.
    const { specs } = parseWorkflows(`version: '2.0'\n${text.replaceAll(/: \{\}/g, ': {action: std.noop}')}`, {
      validate: options.unchecked !== true,
    });
    this.workflows = new Map(specs.map((spec) => [spec.name, found(spec)]));
    this.adHoc = new Map(
      options.actions === undefined
        ? []
        : parseActions(`version: '2.0'\n${options.actions}`).specs.map((spec) => [
            spec.name,
            { kind: 'ad-hoc', spec, workbookName: null },
          ]),
    );
    const workflow = this.workflows.get(options.workflow ?? specs[0]?.name ?? '');
    if (workflow === undefined) throw new Error('there is no such workflow in the text');
    const env = this.env(1);
    const params = options.params ?? {};
    const environment = environmentOf(env, params, 'p');
    const id = this.newId() as ExecutionId;
    const record = newExecution(env, {
      id,
      workflow,
      input: options.input ?? {},
      params: { ...params, env: environment },
      description: '',
      projectId: 'p',
      parent:
        options.isChild === true
          ? {
              executionId: 'parent' as ExecutionId,
              taskExecutionId: 'parent-task' as TaskExecutionId,
              rootExecutionId: 'parent' as ExecutionId,
              index: 0,
            }
          : null,
    });
    this.view = createView(workflow.spec, record, environment);
  }

  /** A machine after its start, with everything done that needs nobody else. */
  static start(text: string, options: MachineOptions = {}): Machine {
    const machine = new Machine(text, options);
    machine.send({ type: 'workflow-started' });
    machine.send({ type: 'continue' });
    return machine;
  }

  get record(): ExecutionRecord {
    return this.view.record;
  }

  get state(): string {
    return this.view.record.state;
  }

  get output(): JsonObject {
    return this.view.record.output;
  }

  /** The latest task execution of that name. */
  task(name: string): TaskRecord {
    const task = [...this.tasks.values()].findLast((known) => known.name === name);
    if (task === undefined) throw new Error(`no task '${name}' among ${[...this.tasks.values()].map((x) => x.name)}`);
    return task;
  }

  tasksOf(name: string): TaskRecord[] {
    return [...this.tasks.values()].filter((task) => task.name === name);
  }

  /** `name:STATE` of each task execution in order of creation. */
  get states(): string[] {
    return [...this.tasks.values()].map((task) => `${task.name}:${task.state}`);
  }

  actionsOf(name: string): ActionRecord[] {
    return [...this.actions.values()].filter((action) => action.taskName === name);
  }

  childrenOf(name: string): ExecutionRecord[] {
    return [...this.children.values()].filter(
      (child) => this.tasks.get(child.taskExecutionId ?? ('' as never))?.name === name,
    );
  }

  /** Kinds of the timers that are set. */
  get timerKinds(): string[] {
    return [...this.timers.values()].map((timer) => timer.kind);
  }

  /** Decides an event and folds it; `continue` commands are followed. */
  send(event: Event): Decision {
    const decision = this.decide(event);
    if (decision.kind !== 'decided') return decision;
    this.decisions++;
    for (const change of decision.changes) this.fold(change);
    this.commands.push(...decision.commands.filter((command) => command.type !== 'continue'));
    const goesOn = decision.commands.some((command) => command.type === 'continue');
    if (goesOn && event.type !== 'workflow-started') this.send({ type: 'continue' });
    return decision;
  }

  /** Completes the oldest running action of a task. */
  finish(task: string, result: Json | ActionResult = null, index?: number): Decision {
    const action = this.actionsOf(task).find(
      (known) => !isFinal(known.state) && (index === undefined || known.index === index),
    );
    if (action === undefined) throw new Error(`no action of '${task}' runs; ${this.states.join(' ')}`);
    this.now += 1;
    return this.send({
      type: 'action-completed',
      action: action.id,
      attempt: action.attempt,
      result: isResult(result) ? result : { kind: 'success', output: result },
    });
  }

  fail(task: string, output: Json = 'boom', index?: number): Decision {
    return this.finish(task, { kind: 'error', output, retryable: false }, index);
  }

  finishChild(task: string, state: 'SUCCESS' | 'ERROR' | 'CANCELLED', output: JsonObject = {}): Decision {
    const child = this.childrenOf(task).find((known) => !isFinal(known.state));
    if (child === undefined || child.taskExecutionId === null) throw new Error(`no child of '${task}' runs`);
    this.now += 1;
    this.children.set(child.id, { ...child, state });
    return this.send({
      type: 'child-completed',
      task: child.taskExecutionId,
      child: child.id,
      state,
      stateInfo: null,
      output,
    });
  }

  /** Lets time pass; timers fire in their order. */
  advance(seconds: number): void {
    const end = this.now + seconds * 1000;
    for (;;) {
      const [next] = [...this.timers.values()].filter((t) => t.dueAt <= end).toSorted((a, b) => a.dueAt - b.dueAt);
      if (next === undefined) break;
      this.now = Math.max(this.now, next.dueAt);
      this.send({ type: 'timer-fired', timer: next.id });
      this.timers.delete(next.id);
    }
    this.now = end;
  }

  commandsOf<T extends Command['type']>(type: T): Extract<Command, { readonly type: T }>[] {
    return this.commands.filter((command): command is Extract<Command, { readonly type: T }> => command.type === type);
  }

  private decide(event: Event): Decision {
    for (let round = 0; round < 100; round++) {
      const decision = decide(this.view, event, this.env(this.options.steps ?? 1000));
      if (decision.kind !== 'needs') {
        this.rows.clear();
        return decision;
      }
      this.lookups.push(...decision.lookups);
      for (const lookup of decision.lookups) this.rows.set(lookupKey(lookup), this.answer(lookup));
    }
    throw new Error('the decision asks without end');
  }

  private env(steps: number): Env {
    let left = steps;
    return {
      now: this.now,
      newId: () => this.newId(),
      catalogue: CATALOGUE,
      findAction: (name) => this.adHoc.get(name) ?? null,
      findWorkflow: (name) => this.workflows.get(name) ?? null,
      findEnvironment: (name) => this.options.environments?.[name] ?? null,
      findRows: (key) => this.rows.get(key),
      executorId: this.options.executorId ?? null,
      takeStep: () => left-- > 0,
      limits: {
        tasksPerName: this.options.tasksPerName ?? 10_000,
        fieldCharacters: this.options.fieldCharacters ?? -1,
        wrongCalls: this.options.wrongCalls ?? 'forced',
      },
    };
  }

  private answer(lookup: Lookup): readonly JsonObject[] {
    switch (lookup.type) {
      case 'task': {
        const task = [...this.tasks.values()].findLast((known) => known.name === lookup.name);
        return task === undefined ? [] : [this.taskRow(task)];
      }
      case 'tasks':
        return [...this.tasks.values()].map((task) => this.taskRow(task));
      case 'task-row':
        this.restore(lookup.id);
        return [];
      case 'children':
        return answerChildren(
          [
            ...[...this.actions.values()].filter((a) => a.taskExecutionId === lookup.task).map(actionResult),
            ...[...this.children.values()]
              .filter((child) => child.taskExecutionId === lookup.task)
              .map((child) => workflowResult(childOf(child))),
          ],
          lookup.values,
        );
      case 'payload': {
        const payload = this.payloads.get(lookup.id);
        return payload === undefined ? [] : [payload];
      }
      default:
        return [];
    }
  }

  private taskRow(task: TaskRecord): JsonObject {
    const results = [...this.actions.values()].filter((a) => a.taskExecutionId === task.id && a.accepted);
    return {
      id: task.id,
      name: task.name,
      state: task.state,
      published: task.published,
      result:
        results.length === 1 ? (results[0]?.output?.result ?? null) : results.map((a) => a.output?.result ?? null),
    };
  }

  /** What engine/store/views.ts does with a row that the view let go of. */
  private restore(id: TaskExecutionId): void {
    const task = this.tasks.get(id);
    const node = this.nodes.get(id);
    if (task === undefined || node === undefined) return;
    const count = this.view.createdOfName.get(task.name) ?? 0;
    const latest = this.view.latestByName.get(task.name);
    addTask(this.view, task, node);
    this.view.createdOfName.set(task.name, count);
    if (latest !== undefined) this.view.latestByName.set(task.name, latest);
    for (const action of this.actions.values()) {
      if (action.taskExecutionId !== id) continue;
      this.view.actions.set(action.id, action);
      membersOf(this.view, id).actions.add(action.id);
    }
  }

  private fold(change: Change): void {
    this.changes.push(change);
    evolve(this.view, change);
    switch (change.type) {
      case 'task-created':
        this.tasks.set(change.task.id, change.task);
        break;
      case 'task-updated':
        patch(this.tasks, change.id, change.patch);
        break;
      case 'action-created':
        this.actions.set(change.action.id, change.action);
        break;
      case 'action-updated':
        patch(this.actions, change.id, change.patch);
        break;
      case 'child-created':
        this.children.set(change.child.id, change.child);
        break;
      case 'child-updated': {
        const child = this.children.get(change.id);
        if (child !== undefined) this.children.set(change.id, { ...child, ...change.patch });
        break;
      }
      case 'children-updated':
        for (const action of this.actions.values())
          if (action.taskExecutionId === change.task) this.actions.set(action.id, updatedAction(action, change));
        for (const child of this.children.values())
          if (child.taskExecutionId === change.task) this.children.set(child.id, updatedChild(child, change));
        break;
      case 'payload-stored':
        this.payloads.set(change.id, change.value);
        break;
      case 'payload-dropped':
        this.payloads.delete(change.id);
        break;
      case 'timer-set':
        this.timers.set(change.timer.id, change.timer);
        break;
      case 'timer-done':
        this.timers.delete(change.id);
        break;
      default:
        break;
    }
    for (const [id, node] of this.view.inbound) this.nodes.set(id, node);
  }

  private newId(): string {
    return `id-${String(++this.counter).padStart(6, '0')}`;
  }
}

function found(spec: WorkflowSpec): FoundWorkflow {
  return { id: spec.name, name: spec.name, namespace: '', workbookName: null, specHash: spec.name, spec };
}

function patch<K, V extends object>(rows: Map<K, V>, id: K, change: Partial<V>): void {
  const row = rows.get(id);
  if (row === undefined) throw new Error(`a change names row ${String(id)}, which does not exist`);
  rows.set(id, { ...row, ...change });
}

function isResult(value: Json | ActionResult): value is ActionResult {
  return typeof value === 'object' && value !== null && 'kind' in value && 'output' in value;
}
