import { type Arbitrary, array, boolean, constantFrom, nat, record } from 'fast-check';

/** A random workflow and what people and executors do to it, for comparing one way of running it with another. */
export interface Scenario {
  readonly tasks: readonly RandomTask[];
  /** What happens after the start, one after the other; numbers choose among what is possible then. */
  readonly acts: readonly Act[];
}

export interface RandomTask {
  readonly kind: 'noop' | 'echo' | 'fail' | 'async' | 'items' | 'sub';
  readonly join: 'all' | 'one' | '2' | null;
  readonly next: readonly {
    readonly to: number;
    readonly on: 'success' | 'error' | 'complete';
    readonly guarded: boolean;
  }[];
  readonly publishes: readonly number[];
  readonly global: boolean;
  readonly policy: 'none' | 'retry' | 'wait-before' | 'wait-after' | 'timeout' | 'pause-before';
  readonly command: 'none' | 'fail' | 'succeed' | 'pause' | 'noop';
}

export interface Act {
  readonly type: 'finish' | 'break' | 'cancel' | 'advance' | 'pause' | 'resume' | 'rerun' | 'skip';
  readonly pick: number;
}

const task: Arbitrary<RandomTask> = record({
  kind: constantFrom('noop', 'echo', 'fail', 'async', 'async', 'items', 'sub'),
  join: constantFrom('all', 'all', 'one', '2', null, null, null),
  next: array(
    record({
      to: nat(20),
      on: constantFrom('success', 'success', 'success', 'error', 'complete'),
      guarded: boolean(),
    }),
    { maxLength: 3 },
  ),
  publishes: array(nat(4), { maxLength: 2 }),
  global: boolean(),
  policy: constantFrom('none', 'none', 'none', 'none', 'retry', 'wait-before', 'wait-after', 'timeout', 'pause-before'),
  command: constantFrom('none', 'none', 'none', 'none', 'none', 'none', 'fail', 'succeed', 'pause', 'noop'),
});

const act: Arbitrary<Act> = record({
  type: constantFrom(
    'finish',
    'finish',
    'finish',
    'finish',
    'break',
    'break',
    'cancel',
    'advance',
    'advance',
    'pause',
    'resume',
    'resume',
    'rerun',
    'skip',
  ),
  pick: nat(50),
});

export const scenarios: Arbitrary<Scenario> = record({
  tasks: array(task, { minLength: 2, maxLength: 8 }),
  acts: array(act, { minLength: 4, maxLength: 24 }),
});

/** The text of the workflow. Every third transition may lead backwards: such a loop ends when its counter says so. */
export function workflowText(name: string, { tasks }: Scenario): string {
  const inbound = new Map<number, Set<number>>();
  const edges = tasks.map((from, i) => {
    const isLast = i === tasks.length - 1;
    return from.next.flatMap(({ to, on, guarded }, k) => {
      const isBack = k === 2 && i > 0;
      if (isLast && !isBack) return [];
      const target = isBack ? to % (i + 1) : i + 1 + (to % (tasks.length - i - 1));
      if (isBack && target === 0) return [];
      (inbound.get(target) ?? inbound.set(target, new Set()).get(target))?.add(i);
      return [{ target, on, condition: isBack ? '<% $.n < 3 %>' : guarded ? `<% $.get(v0, 0) mod 2 = 0 %>` : null }];
    });
  });
  const lines = [`version: '2.0'`, `${name}:`, '  vars: {n: 0}', '  tasks:'];
  tasks.forEach((from, i) => {
    const more = inbound.get(i)?.size ?? 0;
    lines.push(`    t${i}:`);
    lines.push(...actionLines(from, name));
    if (from.join !== null && more > (from.join === '2' ? 1 : 0)) lines.push(`      join: ${from.join}`);
    lines.push(...policyLines(from));
    const published = [...new Set(from.publishes)].map((v) => `v${v}: <% $.get(v${v}, ${i}) + 1 %>`);
    lines.push(
      `      publish: {${[...published, 'n: <% $.n + 1 %>', `o${i}: {t: ${i}}`].join(', ').replaceAll(/<%.*?%>/g, (text) => `'${text}'`)}}`,
    );
    if (from.policy !== 'wait-after') lines.push(`      publish-on-error: {e: ${i}}`);
    for (const on of ['success', 'error', 'complete'] as const) {
      const all = (edges[i] ?? []).filter((edge) => edge.on === on);
      const command = on === 'success' && from.command !== 'none' ? [`        - ${from.command}`] : [];
      const global = on === 'success' && from.global;
      if (all.length + command.length === 0 && !global) continue;
      const seen = new Set<number>();
      const list = all.flatMap(({ target, condition }) => {
        if (seen.has(target)) return [];
        seen.add(target);
        return [`        - t${target}${condition === null ? '' : `: ${condition}`}`];
      });
      const items = [...list, ...command];
      lines.push(`      on-${on}:`);
      if (global) {
        lines.push('        publish:', `          branch: {b${i}: 1}`, `          global: {g: {t${i}: '<% $.n %>'}}`);
        if (items.length > 0) lines.push('        next:', ...items.map((line) => `  ${line}`));
      } else {
        lines.push(...items);
      }
    }
  });
  return `${lines.join('\n')}\n`;
}

function actionLines({ kind }: RandomTask, name: string): string[] {
  switch (kind) {
    case 'noop':
      return ['      action: std.noop'];
    case 'echo':
      return ["      action: std.echo output='<% $.n %>'"];
    case 'fail':
      return ['      action: std.fail'];
    case 'async':
      return ['      action: std.async_noop'];
    case 'items':
      return ['      with-items: i in [1, 2, 3]', '      concurrency: 2', '      action: std.async_noop'];
    case 'sub':
      return [`      workflow: ${name}_sub`];
  }
}

export function subWorkflowText(name: string): string {
  return `version: '2.0'\n${name}_sub:\n  tasks:\n    x: {action: std.async_noop, publish: {r: '<% task().result %>'}}\n`;
}

function policyLines({ policy }: RandomTask): string[] {
  switch (policy) {
    case 'none':
      return [];
    case 'retry':
      return ['      retry: {count: 2, delay: 1}'];
    case 'pause-before':
      return ['      pause-before: true'];
    default:
      return [`      ${policy}: 2`];
  }
}
