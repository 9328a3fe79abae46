import type { Random } from '../simulation/random.ts';
import { VALUE } from './ledger.ts';

/** What a run of one workflow must come to, told from its kind alone. */
export interface Kind {
  readonly name: string;
  /** How often it is started, relative to the others. */
  readonly weight: number;
  /** The output of a SUCCESS. */
  readonly output: Readonly<Record<string, unknown>>;
  /** Paths below `/<manner>/<execution id>/` that a SUCCESS has called at least once. */
  readonly paths: readonly string[];
  /**
   * once: none of its actions may run twice, so each path is called once at most, and one whose executor was lost ends it in ERROR.
   * safe: its actions may run again, so it always succeeds. tries: each action execution runs once at most, and a lost one is tried
   * again under a new one, so it always succeeds.
   */
  readonly promise: 'once' | 'safe' | 'tries';
}

const CHAIN = 6;
const BRANCHES = 5;
const ITEMS = 12;
const CHILDREN = 3;

export const KINDS: readonly Kind[] = [
  { name: 'chain_once', weight: 3, promise: 'once', paths: steps('once', CHAIN), output: { sum: CHAIN * VALUE } },
  { name: 'chain_safe', weight: 3, promise: 'safe', paths: steps('safe', CHAIN), output: { sum: CHAIN * VALUE } },
  { name: 'fan_once', weight: 2, promise: 'once', paths: steps('once', BRANCHES), output: { sum: BRANCHES * VALUE } },
  { name: 'fan_safe', weight: 2, promise: 'safe', paths: steps('safe', BRANCHES), output: { sum: BRANCHES * VALUE } },
  { name: 'items_once', weight: 2, promise: 'once', paths: steps('once', ITEMS), output: { sum: ITEMS * VALUE } },
  { name: 'items_safe', weight: 2, promise: 'safe', paths: steps('safe', ITEMS), output: { sum: ITEMS * VALUE } },
  {
    name: 'family',
    weight: 2,
    promise: 'safe',
    paths: Array.from({ length: CHILDREN }, (_, i) => [`safe/${i}-a`, `safe/${i}-b`]).flat(),
    output: { sum: CHILDREN * 2 * VALUE },
  },
  { name: 'stubborn', weight: 2, promise: 'tries', paths: ['flaky/a', 'flaky/b'], output: { sum: 2 * VALUE } },
  { name: 'answered', weight: 2, promise: 'safe', paths: steps('later', 2), output: { sum: 2 * VALUE } },
  { name: 'patient', weight: 2, promise: 'safe', paths: [], output: { after: 'time was over' } },
];

export function pickKind(random: Random): Kind {
  const all = KINDS.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  return random.pick(all);
}

export const DEFINITIONS = `version: '2.0'
${chain('chain_once', 'once')}
${chain('chain_safe', 'safe')}
${fan('fan_once', 'once')}
${fan('fan_safe', 'safe')}
${items('items_once', 'once')}
${items('items_safe', 'safe')}
family:
  input: [url, run]
  output: {sum: <% $.sums.sum() %>}
  tasks:
    children:
      with-items: i in <% range(${CHILDREN}) %>
      workflow: child url=<% $.url %> run=<% $.run %> number=<% $.i %>
      publish: {sums: <% task().result.select($.sum) %>}
child:
  input: [url, run, number]
  vars: {sum: 0}
  output: {sum: <% $.sum %>}
  task-defaults: {safe-rerun: true}
  tasks:
    first:
      action: std.http
      input: {url: "<% $.url %>/safe/<% $.run %>/<% $.number %>-a"}
      publish: {sum: <% $.sum + task().result.content.value %>}
      on-success: grandchild
    grandchild:
      workflow: grandchild url=<% $.url %> run=<% $.run %> number=<% $.number %>
      publish: {sum: <% $.sum + task().result.value %>}
grandchild:
  input: [url, run, number]
  output: {value: <% $.value %>}
  tasks:
    only:
      safe-rerun: true
      action: std.http
      input: {url: "<% $.url %>/safe/<% $.run %>/<% $.number %>-b"}
      publish: {value: <% task().result.content.value %>}
stubborn:
  input: [url, run]
  output: {sum: <% $.a + $.b %>}
  task-defaults:
    retry: {count: 100, delay: 1}
  tasks:
    a:
      action: std.http
      input: {url: "<% $.url %>/flaky/<% $.run %>/a"}
      publish: {a: <% task().result.content.value %>}
      on-success: b
    b:
      action: std.http
      input: {url: "<% $.url %>/flaky/<% $.run %>/b"}
      publish: {b: <% task().result.content.value %>}
answered:
  input: [url, run]
  output: {sum: <% $.v0 + $.v1 %>}
  task-defaults: {safe-rerun: true}
  tasks:
${[0, 1]
  .map(
    (i) => `    ask_${i}:\n      action: std.mistral_http
      input: {url: "<% $.url %>/later/<% $.run %>/${i}"}\n      publish: {v${i}: <% task().result.value %>}\n      on-success: both`,
  )
  .join('\n')}
    both: {join: all, action: std.noop}
patient:
  input: [url, run]
  output: {after: <% $.after %>}
  tasks:
    early: {action: std.noop, wait-before: 1, wait-after: 1, on-success: never}
    never: {action: std.async_noop, timeout: 2, on-error: late}
    late: {action: std.echo output='time was over', publish: {after: <% task().result %>}}
`;

function steps(manner: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${manner}/${i}`);
}

/** The start of a workflow whose actions may run again when they are `safe`. */
function head(name: string, manner: string): string {
  return `${name}:
  input: [url, run]
  vars: {sum: 0}
  output: {sum: <% $.sum %>}
  task-defaults: {safe-rerun: ${manner === 'safe'}}
  tasks:`;
}

function chain(name: string, manner: string): string {
  const tasks = Array.from(
    { length: CHAIN },
    (_, i) => `    step_${i}:
      action: std.http
      input: {url: "<% $.url %>/${manner}/<% $.run %>/${i}"}
      publish: {sum: <% $.sum + task().result.content.value %>}${i + 1 < CHAIN ? `\n      on-success: step_${i + 1}` : ''}`,
  );
  return `${head(name, manner)}\n${tasks.join('\n')}`;
}

function fan(name: string, manner: string): string {
  const branches = Array.from(
    { length: BRANCHES },
    (_, i) => `    branch_${i}:
      action: std.http
      input: {url: "<% $.url %>/${manner}/<% $.run %>/${i}"}
      publish: {v${i}: <% task().result.content.value %>}
      on-success: all`,
  );
  const sum = Array.from({ length: BRANCHES }, (_, i) => `$.v${i}`).join(' + ');
  return `${head(name, manner)}
${branches.join('\n')}
    all:
      join: all
      action: std.noop
      publish: {sum: <% ${sum} %>}`;
}

function items(name: string, manner: string): string {
  return `${head(name, manner)}
    each:
      with-items: i in <% range(${ITEMS}) %>
      concurrency: 4
      action: std.http
      input: {url: "<% $.url %>/${manner}/<% $.run %>/<% $.i %>"}
      publish: {sum: <% task().result.select($.content.value).sum() %>}`;
}
