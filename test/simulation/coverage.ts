import type { Json } from '../../dsl/json.ts';
import { PEOPLES_OPERATIONS } from './generate.ts';
import { FAULT_KINDS, OPERATIONS, type Scenario, workflowBody } from './scenario.ts';
import type { Ran } from './world.ts';

/** Too few seeds say nothing about one in a hundred. */
const FEWEST_SEEDS = 200;

/** In how many seeds each construct was in the definitions, and each fault and operation really happened. */
export class Coverage {
  seeds = 0;
  private readonly constructs = new Map<string, number>(CONSTRUCTS.map((name) => [name, 0]));
  private readonly faults = new Map<string, number>([...FAULT_KINDS, 'reordered-message'].map((name) => [name, 0]));
  private readonly operations = new Map<string, number>(OPERATIONS.map((name) => [name, 0]));
  private readonly moves = new Map<string, number>();
  private readonly ends = new Map<string, number>();

  add(scenario: Scenario, ran: Ran): void {
    this.seeds++;
    for (const name of constructsOf(scenario)) if (this.constructs.has(name)) raise(this.constructs, name);
    for (const name of ran.faults.keys()) raise(this.faults, name);
    raise(this.ends, `kept by ${scenario.keeper}`);
    for (const name of ran.operations.keys()) if (this.operations.has(name)) raise(this.operations, name);
    for (const name of ran.log.moves.keys()) raise(this.moves, name);
    for (const row of ran.database.rows('executions')) raise(this.ends, `ended ${String(row.state)}`);
    if (ran.isDeleted) raise(this.ends, 'deleted');
  }

  /** What must occur in one of a hundred seeds and does not; `isForPeople`: where operations take the place of faults. */
  missing(isForPeople = false): string[] {
    if (this.seeds < FEWEST_SEEDS) return [];
    const operations = [...this.operations].filter(([name]) => PEOPLES_OPERATIONS.has(name));
    const wanted = isForPeople ? operations : [...this.constructs, ...this.faults];
    return wanted.filter(([, count]) => count < this.seeds / 100).map(([name]) => name);
  }

  table(): string {
    const part = (title: string, counts: ReadonlyMap<string, number>): string => {
      const cells = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`);
      const lines: string[] = [];
      for (const cell of cells) {
        const last = lines.at(-1);
        if (last !== undefined && last.length + cell.length < 120) lines[lines.length - 1] = `${last}  ${cell}`;
        else lines.push(`  ${cell}`);
      }
      return `${title}\n${lines.join('\n')}`;
    };
    return [
      `seeds in which each occurred, of ${this.seeds}:`,
      part('constructs', this.constructs),
      part('faults', this.faults),
      part('operations', this.operations),
      part('transitions', this.moves),
      part('executions', this.ends),
    ].join('\n');
  }
}

function raise(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** Every key of spec/dsl.md §3 to §12, and the forms that have no key of their own. */
const CONSTRUCTS: readonly string[] = [
  'workbook',
  'type: direct',
  'type: reverse',
  'description',
  'tags',
  'input',
  'output',
  'output-on-error',
  'vars',
  'task-defaults',
  'action',
  'workflow',
  'with-items',
  'publish',
  'publish-on-error',
  'publish-on-skip',
  'retry',
  'count',
  'delay',
  'break-on',
  'continue-on',
  'one-line retry',
  'wait-before',
  'wait-after',
  'timeout',
  'concurrency',
  'pause-before',
  'fail-on',
  'target',
  'keep-result',
  'safe-rerun',
  'join: all',
  'join: one',
  'join: number',
  'requires',
  'on-success',
  'on-error',
  'on-complete',
  'on-skip',
  'next',
  'branch',
  'global',
  'atomic',
  'noop',
  'fail',
  'succeed',
  'pause',
  'msg',
  'condition',
  'circle',
  'inline parameters',
  'name by expression',
  'jinja',
  'input by expression',
  'parallel items',
  'items by expression',
  'items of sub-workflow',
  'nested sub-workflows',
  'ad-hoc action',
  'ad-hoc over ad-hoc',
  'base-input',
  'stored environment',
  'inline environment',
  'no action',
  'asynchronous action',
  'job',
  'claimed action',
  'repeat-safe action',
  'tasks()',
  'task(name)',
  'executions()',
];

function constructsOf(scenario: Scenario): Set<string> {
  const found = new Set<string>();
  if (scenario.isBook) found.add('workbook');
  if (scenario.envBy === 'name') found.add('stored environment');
  if (scenario.envBy === 'inline') found.add('inline environment');
  if (scenario.actions.length > 0) found.add('ad-hoc action');
  if (scenario.actions.length > 1) found.add('ad-hoc over ad-hoc');
  if (scenario.workflows.length > 2) found.add('nested sub-workflows');
  for (const { body } of scenario.actions) collect(body, found);
  for (const workflow of scenario.workflows) {
    found.add(`type: ${workflow.type}`);
    collect(workflowBody(workflow), found);
    for (const task of workflow.tasks) {
      const { body, transitions } = task;
      if (body.action === undefined && body.workflow === undefined) found.add('no action');
      if (body['with-items'] !== undefined && body.workflow !== undefined) found.add('items of sub-workflow');
      if (transitions.some(({ to }) => number(to) <= number(task.name))) found.add('circle');
    }
  }
  return found;
}

function number(name: string): number {
  return /^t\d+$/.test(name) ? Number(name.slice(1)) : Number.POSITIVE_INFINITY;
}

function collect(value: Json, found: Set<string>): void {
  if (typeof value === 'string') {
    for (const [name, pattern] of TEXTS) if (pattern.test(value)) found.add(name);
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    found.add(key);
    if (key === 'join') found.add(typeof item === 'number' ? 'join: number' : `join: ${String(item)}`);
    if (key === 'retry' && typeof item === 'string') found.add('one-line retry');
    if (key === 'with-items' && Array.isArray(item)) found.add('parallel items');
    if (key === 'input' && typeof item === 'string') found.add('input by expression');
    if (key.startsWith('on-')) conditions(item, found);
    collect(key, found);
    collect(item, found);
  }
}

function conditions(clause: Json, found: Set<string>): void {
  const next = Array.isArray(clause) ? clause : [];
  if (next.some((entry) => typeof entry === 'object')) found.add('condition');
}

const TEXTS: readonly (readonly [string, RegExp])[] = [
  ['jinja', /\{\{/],
  ['msg', /msg=/],
  ['noop', /^noop$/],
  ['fail', /^fail\b/],
  ['succeed', /^succeed\b/],
  ['pause', /^pause\b/],
  ['inline parameters', /^std\.echo \w+=/],
  ['name by expression', /^<% '(std\.|sub)/],
  ['items by expression', /^i in <%/],
  ['asynchronous action', /^std\.async_noop$/],
  ['job', /^sim\.job$/],
  ['claimed action', /^sim\.work$/],
  ['repeat-safe action', /^sim\.safe$/],
  ['tasks()', /tasks\(/],
  ['task(name)', /task\(t\d/],
  ['executions()', /executions\(/],
];
