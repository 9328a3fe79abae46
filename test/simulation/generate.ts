import type { Json, JsonObject } from '../../dsl/json.ts';
import { hash, Random } from './random.ts';
import {
  type Clause,
  type Fault,
  FAULT_KINDS,
  type Operation,
  OPERATIONS,
  type Scenario,
  type TaskModel,
  type TransitionModel,
  type WorkflowModel,
} from './scenario.ts';

// Most runs need a few hundred steps; later faults meet the end or nothing.
const STEPS = 260;

/** The scenario of a seed. Every second one is confluent, so that its result can be compared with an undisturbed run. */
export function generate(seed: number): Scenario {
  const random = new Random(seed * 2_654_435_761 + 97);
  const isConfluent = random.chance(0.45);
  const maker = new Maker(random, isConfluent);
  const workflows = maker.workflows();
  return {
    seed,
    mode: random.chance(0.35) ? 'embedded' : 'workers',
    // By a generator of its own: the rest of a seed's scenario is what it was before there was a choice.
    keeper: new Random(hash(seed, 'keeper')).chance(0.4) ? 'janitor' : 'start',
    nodes: random.pick([1, 1, 2, 3]),
    cacheBytes: random.chance(0.3) ? 1 : 64_000_000,
    workflows,
    actions: maker.actions,
    isBook: random.chance(0.15),
    environment: { e1: 1, zone: 'a', nested: '<% env().e1 %>' },
    envBy: random.pick(['name', 'inline', 'none']),
    faults: faults(random),
    operations: operations(random, isConfluent),
    isConfluent,
  };
}

/**
 * The scenario of a seed for `--people`: no faults, many operations on one execution, mostly those that end, stop, resume and repeat
 * it. What is done is chosen for the moment: a person who wants to rerun looks for what failed.
 */
export function generateForPeople(seed: number): Scenario {
  const random = new Random(hash(seed, 'people'));
  const maker = new Maker(random, false);
  const workflows = maker.workflows();
  const count = 4 + random.int(9);
  return {
    seed,
    mode: random.chance(0.5) ? 'embedded' : 'workers',
    keeper: 'start',
    nodes: 1,
    cacheBytes: random.chance(0.3) ? 1 : 64_000_000,
    workflows,
    actions: maker.actions,
    isBook: random.chance(0.15),
    environment: { e1: 1, zone: 'a', nested: '<% env().e1 %>' },
    envBy: random.pick(['name', 'inline', 'none']),
    faults: [],
    operations: Array.from({ length: count }, () => ({
      kind: random.pick(PEOPLES),
      at: 5 + random.int(random.pick([60, STEPS])),
      pick: random.int(1000),
    })),
    isConfluent: false,
  };
}

const PEOPLES = [
  'pause',
  'pause',
  'resume',
  'resume',
  'cancel',
  'stop-error',
  'stop-success',
  'rerun',
  'rerun',
  'rerun-partly',
  'skip',
  'skip',
] as const;

export const PEOPLES_OPERATIONS: ReadonlySet<string> = new Set(PEOPLES);

function faults(random: Random): Fault[] {
  const count = random.chance(0.1) ? 0 : 1 + random.int(7);
  return Array.from({ length: count }, () => ({
    kind: random.pick(FAULT_KINDS),
    at: 3 + random.int(STEPS),
    pick: random.int(1000),
  }));
}

function operations(random: Random, isConfluent: boolean): Operation[] {
  const kinds = isConfluent ? (['pause', 'resume', 'describe', 'start-again'] as const) : OPERATIONS;
  const count = random.int(isConfluent ? 3 : 6);
  return Array.from({ length: count }, () => ({
    kind: random.pick(kinds),
    at: 5 + random.int(STEPS),
    pick: random.int(1000),
  })).flatMap((operation) =>
    // Nobody would ever find one paused otherwise: people complete what waits.
    operation.kind === 'pause-action'
      ? [operation, { ...operation, kind: 'resume-action' as const, at: operation.at + 12 }]
      : [operation],
  );
}

const CLAUSES: readonly Clause[] = ['on-success', 'on-success', 'on-success', 'on-error', 'on-complete'];

class Maker {
  readonly actions: { readonly name: string; readonly body: JsonObject }[] = [];
  private readonly random: Random;
  private readonly isConfluent: boolean;
  private subs: readonly string[] = [];

  constructor(random: Random, isConfluent: boolean) {
    this.random = random;
    this.isConfluent = isConfluent;
  }

  /** The first is the one that is started. */
  workflows(): WorkflowModel[] {
    const { random } = this;
    this.actions.push(...this.adHoc());
    const depth = random.pick([0, 0, 1, 1, 2]);
    const below: WorkflowModel[] = [];
    for (let level = depth; level > 0; level--) {
      below.unshift(this.workflow(`sub${level}`, 1 + random.int(3)));
      this.subs = [`sub${level}`];
    }
    return [this.workflow('root', 2 + random.int(7)), ...below];
  }

  private adHoc(): { readonly name: string; readonly body: JsonObject }[] {
    const { random } = this;
    if (!random.chance(0.4)) return [];
    const base = random.pick(['std.echo', 'sim.safe', 'std.noop']);
    const body: Record<string, Json> = { base };
    if (base !== 'std.noop') {
      body.input = ['a', { b: 2 }];
      body['base-input'] = base === 'std.echo' ? { output: '<% $.a %>' } : { i: '<% $.b %>' };
      body.output = { wrapped: '<% $ %>' };
    }
    const made = [{ name: 'adhoc', body }];
    // One over another.
    if (base !== 'std.noop' && random.chance(0.4))
      made.push({ name: 'outer', body: { base: 'adhoc', input: ['a'], 'base-input': { a: '<% $.a %>' } } });
    return made;
  }

  private workflow(name: string, count: number): WorkflowModel {
    const { random } = this;
    const type = random.chance(0.15) ? 'reverse' : 'direct';
    const head: Record<string, Json> = { input: [{ p: 1 }, { q: [1, 2, 3] }], vars: { n: 0, base: '<% $.p %>' } };
    if (random.chance(0.2)) head.description = 'made by chance';
    if (random.chance(0.2)) head.tags = ['x', name];
    if (random.chance(0.4))
      head.output = { out: '<% $.get(v_t0, none) %>', p: '<% $.p %>', e: '<% env().get(e1, 0) %>' };
    if (random.chance(0.3)) head['output-on-error'] = { why: 'failed', p: '{{ _.p }}' };
    const tasks = Array.from({ length: count }, (_, i) => this.task(i, count, type));
    if (type === 'direct') openCircles(tasks);
    if (type === 'direct' && random.chance(0.2)) head['task-defaults'] = this.defaults(count);
    if (type === 'reverse' && random.chance(0.3))
      head['task-defaults'] = { retry: { count: 1, delay: 1 }, 'safe-rerun': true, requires: ['t0'] };
    return { name, type, head, tasks };
  }

  private defaults(count: number): JsonObject {
    const { random } = this;
    const defaults: Record<string, Json> = { 'safe-rerun': true };
    if (random.chance(0.4)) defaults.retry = { count: 1, delay: 1 };
    if (random.chance(0.3)) defaults['wait-before'] = 1;
    if (random.chance(0.2)) defaults['wait-after'] = 1;
    if (!this.isConfluent && random.chance(0.3)) defaults.timeout = 50;
    if (!this.isConfluent && random.chance(0.2)) defaults['pause-before'] = '<% false %>';
    // The last task has nothing behind it, so no circle comes of it.
    if (!this.isConfluent && random.chance(0.4)) defaults['on-error'] = [`t${count - 1}`];
    return defaults;
  }

  private task(i: number, count: number, type: 'direct' | 'reverse'): TaskModel {
    const { random } = this;
    const name = `t${i}`;
    const body: Record<string, Json> = { ...this.call(i) };
    this.policies(body);
    if (random.chance(0.1)) body.description = 'a task';
    if (random.chance(0.1)) body.tags = ['t'];
    if (random.chance(0.1)) body['keep-result'] = false;
    if (random.chance(0.08)) body.target = random.pick(['host', '<% $.get(where, host) %>']);
    if (random.chance(0.5) || body['safe-rerun'] === undefined) body['safe-rerun'] = random.chance(0.8);
    this.publishes(body, i);
    const isDirect = type === 'direct';
    const scopes: Partial<Record<Clause, JsonObject>> = isDirect ? this.scopes(i) : {};
    const transitions = isDirect ? this.transitions(i, count) : [];
    const requires = isDirect ? [] : this.requires(i);
    const join = isDirect && i > 0 ? this.join() : null;
    return { name, body, join, requires, transitions, scopes };
  }

  private join(): TaskModel['join'] {
    // A task with several ways in and no join runs for each of them, in whatever order they come.
    return this.isConfluent ? 'all' : this.random.pick(['all', 'all', 'one', 2, null, null]);
  }

  private requires(i: number): string[] {
    return Array.from({ length: i }, (_, k) => `t${k}`).filter(() => this.random.chance(0.4));
  }

  private call(i: number): JsonObject {
    const { random } = this;
    const adHoc = this.actions.length > 0 ? ['adhoc', 'adhoc'] : [];
    const sub = this.subs.length > 0 ? ['sub', 'sub', 'sub'] : [];
    const kind = random.pick([
      'noop',
      'echo',
      'slow-echo',
      'fail',
      'async',
      'async',
      'work',
      'work',
      'safe',
      'safe',
      'job',
      'items',
      'items',
      'nothing',
      'inline',
      'dynamic',
      ...adHoc,
      ...sub,
    ]);
    switch (kind) {
      case 'noop':
        return { action: 'std.noop' };
      case 'nothing':
        return {};
      case 'echo':
        return { action: 'std.echo', input: { output: { n: '<% $.n %>', j: '{{ _.p }}' } } };
      case 'slow-echo':
        return { action: 'std.echo', input: { output: i, delay: 1 + random.int(3) } };
      case 'inline':
        return { action: 'std.echo output=<% $.p %>' };
      case 'dynamic':
        return { action: "<% 'std.' + 'echo' %>", input: { output: i } };
      case 'fail':
        return { action: 'std.fail' };
      case 'async':
        return { action: 'std.async_noop' };
      case 'work':
        return { action: 'sim.work', input: { i: 0 } };
      case 'safe':
        return { action: 'sim.safe', input: '<% dict(i => 0) %>' };
      case 'job':
        return { action: 'sim.job', input: { i: 0 } };
      case 'adhoc': {
        const { name, body } = random.pick(this.actions);
        return body.base === 'std.noop' ? { action: name } : { action: name, input: { a: i } };
      }
      case 'items':
        return this.items(i);
      default: {
        const sub = random.pick(this.subs);
        return random.chance(0.3)
          ? { workflow: `<% '${sub}' %>`, input: { p: '<% $.p %>' } }
          : { workflow: sub, ...(random.chance(0.5) ? { input: { p: i } } : {}) };
      }
    }
  }

  private items(i: number): JsonObject {
    const { random } = this;
    const source = random.pick<Json>([
      'i in [1, 2, 3]',
      'i in <% $.q %>',
      'i in <% [] %>',
      ['i in [1, 2, 3, 4]', 'k in <% [5, 6, 7, 8] %>'],
      'i in <% range(0, 6) %>',
    ]);
    const run = random.pick<JsonObject>([
      { action: 'sim.safe', input: { i: '<% $.i %>' } },
      { action: 'sim.work', input: { i: '<% $.i %>' } },
      { action: 'std.async_noop' },
      { action: 'std.echo', input: { output: '<% $.i %>' } },
      { action: 'sim.job', input: { i: '<% $.i %>' } },
      ...(this.subs.length > 0 ? [{ workflow: random.pick(this.subs), input: { p: '<% $.i %>' } }] : []),
    ]);
    const concurrency: JsonObject = random.chance(0.5) ? { concurrency: random.pick<Json>([1, 2, '<% 3 %>']) } : {};
    void i;
    return { 'with-items': source, ...run, ...concurrency };
  }

  private policies(body: Record<string, Json>): void {
    const { random } = this;
    if (random.chance(0.2)) {
      body.retry = random.pick<Json>([
        { count: 2, delay: 1 },
        { count: 1, delay: 0 },
        'count=2 delay=1',
        { count: 2, delay: 1, 'break-on': '<% $.get(stop, false) %>' },
        { count: 2, delay: '<% 1 %>', 'continue-on': '<% $.get(more, false) %>' },
      ]);
    }
    if (random.chance(0.12)) body['wait-before'] = random.pick<Json>([1, 2, '<% 1 %>']);
    if (random.chance(0.12)) body['wait-after'] = random.pick<Json>([1, 2]);
    if (random.chance(0.08)) body['pause-before'] = random.pick<Json>([true, '<% true %>']);
    if (random.chance(0.08)) body['fail-on'] = random.pick<Json>(['<% true %>', '<% $.get(bad, false) %>', true]);
    if (!this.isConfluent && random.chance(0.15)) body.timeout = random.pick<Json>([1, 3, '<% 5 %>', 60]);
  }

  private publishes(body: Record<string, Json>, i: number): void {
    const { random } = this;
    const own: Record<string, Json> = { [`v_t${i}`]: i };
    if (!this.isConfluent) {
      own.n = '<% $.n + 1 %>';
      if (random.chance(0.3)) own.shared = i;
      // Asks the store for rows, or for what a view must keep.
      if (i > 0 && random.chance(0.3))
        own[`r${i}`] = random.pick([
          '<% task(t0).state %>',
          '<% tasks(execution().id).len() > 0 %>',
          '<% executions(root_execution_id => execution().id).len() >= 0 %>',
        ]);
    }
    if (random.chance(0.3)) own[`g${i}`] = '<% env().get(zone, none) %>';
    if (random.chance(0.2)) own[`w${i}`] = "<% task().result != 'x' %>";
    if (random.chance(0.1)) own[`h${i}`] = '<% global(n) %>';
    if (random.chance(0.75)) body.publish = own;
    if (random.chance(0.25)) body['publish-on-error'] = { [`err_t${i}`]: i };
    if (random.chance(0.1)) body['publish-on-skip'] = { [`skip_t${i}`]: i };
  }

  private scopes(i: number): Partial<Record<Clause, JsonObject>> {
    const { random } = this;
    if (!random.chance(0.15)) return {};
    const clause = random.pick<Clause>(['on-success', 'on-error', 'on-complete', 'on-skip']);
    return {
      [clause]: random.pick<JsonObject>([
        { branch: { [`b${i}`]: i } },
        { branch: { [`b${i}`]: i }, global: { g: { [`t${i}`]: i } } },
        { global: { g: { [`t${i}`]: 1 } } },
        { branch: { [`b${i}`]: i }, atomic: { a: 1 } },
      ]),
    };
  }

  private transitions(i: number, count: number): TransitionModel[] {
    const { random } = this;
    const transitions: TransitionModel[] = [];
    const ahead = count - i - 1;
    for (let k = random.pick([0, 1, 1, 1, 2, 2, 3]); k > 0 && ahead > 0; k--) {
      transitions.push({
        on: random.pick(CLAUSES),
        to: `t${i + 1 + random.int(ahead)}`,
        isCommand: false,
        condition: random.chance(0.25) ? this.condition() : null,
      });
    }
    if (random.chance(0.06) && ahead > 0)
      transitions.push({ on: 'on-skip', to: `t${i + 1 + random.int(ahead)}`, isCommand: false, condition: null });
    if (this.isConfluent) return distinctTargets(transitions);
    // A circle ends when its counter says so.
    if (i > 0 && random.chance(0.12)) {
      const to = `t${1 + random.int(i)}`;
      transitions.push({ on: 'on-complete', to, isCommand: false, condition: '<% $.n < 3 %>' });
    }
    if (random.chance(0.15)) {
      const to = random.pick([
        'noop',
        'fail',
        'succeed',
        'pause',
        'fail msg="why not"',
        'succeed(msg=<% $.p %>)',
        'pause msg="wait"',
      ]);
      transitions.push({
        on: random.pick(CLAUSES),
        to,
        isCommand: true,
        condition: random.chance(0.3) ? '<% $.n < 2 %>' : null,
      });
    }
    return transitions;
  }

  private condition(): string {
    return this.random.pick([
      '<% true %>',
      '<% $.p > 0 %>',
      '{{ _.p > 1 }}',
      '<% false %>',
      "<% task().state = 'SUCCESS' %>",
    ]);
  }
}

/** A join of all that leads back to itself waits for itself, here as in the reference: whoever a circle leads to takes what comes. */
function openCircles(tasks: TaskModel[]): void {
  for (const [i, task] of tasks.entries()) {
    const isCircle = tasks.slice(i).some((from) => from.transitions.some(({ to }) => to === task.name));
    if (isCircle && task.join !== null) tasks[i] = { ...task, join: 'one' };
  }
}

/** Two ways to one task would start it once each. */
function distinctTargets(transitions: readonly TransitionModel[]): TransitionModel[] {
  return [...new Map(transitions.map((transition) => [transition.to, transition])).values()];
}
