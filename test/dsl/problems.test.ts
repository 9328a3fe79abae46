import test from 'ava';
import * as fc from 'fast-check';
import {
  type DocumentOptions,
  graphOf,
  parseActions,
  parseWorkbook,
  parseWorkflows,
  validate,
} from '../../dsl/index.ts';
import type { Json } from '../../dsl/json.ts';
import { formatPath } from '../../dsl/problems.ts';
import { parseInlineCall } from '../../dsl/spec/inline-params.ts';
import { Spelling } from '../../dsl/yaql/spelling.ts';
import { writeYaml } from '../../dsl/yaml.ts';
import { brief, errorsOf, taskText, warningsOf, workflowText } from './texts.ts';
import { randomRuns } from '../helpers/random-runs.ts';

test('all errors of a text come at once, in its order, with path and hint', (t) => {
  const text = `version: '2.0'
load:
  tags: []
  tasks:
    extract:
      actoin: std.http url="http://h"
      wait-before: '5'
      on-success:
        - transfrom
        - store: <% $.rows * %>
    transform:
      action: std.echo output=<% $.x + %>
      publish:
        ok: <% $.fine %>
        bad: "{{ _.x + }}"
      on-complete: {publish: {x: 1}}
    store:
      join: three
second: {tasks: {a: {requires: b}}}
`;
  const errors = errorsOf('workflow', text);
  t.deepEqual(
    errors.map(({ line, column, path }) => `${line}:${column} ${path}`),
    [
      '3:9 load.tags',
      '6:7 load.tasks.extract.actoin',
      '7:20 load.tasks.extract.wait-before',
      '9:11 load.tasks.extract.on-success[0]',
      errors[4] === undefined ? '' : `10:${errors[4].column} load.tasks.extract.on-success[1].store`,
      errors[5] === undefined ? '' : `12:${errors[5].column} load.tasks.transform.action`,
      errors[6] === undefined ? '' : `15:${errors[6].column} load.tasks.transform.publish.bad`,
      '16:31 load.tasks.transform.on-complete.publish.x',
      '18:13 load.tasks.store.join',
      '19:22 second.tasks.a.requires',
    ],
  );
  for (const [index, from, to] of [
    [4, 18, 32],
    [5, 31, 42],
    [6, 15, 26],
  ] as const) {
    const column = errors[index]?.column ?? 0;
    t.true(column >= from && column <= to, `error ${index} stands inside of its expression, not at ${column}`);
  }
  t.is(errors[1]?.hint, "did you mean 'action'?");
  t.is(errors[3]?.message, "Task 'transfrom' not found.");
  t.is(errors[3]?.hint, "did you mean 'transform'?");
  t.regex(errors[9]?.hint ?? '', /type: reverse/);
});

test('errors of syntax in expressions point into plain, quoted and block scalars', (t) => {
  const columns = (body: string): string[] =>
    errorsOf('workflow', taskText(body)).map(({ line, column }) => `${line}:${column}`);
  const [plain = ''] = columns('publish:\n  x: <% $.a + * %>');
  const [quoted = ''] = columns("publish:\n  x: '<% $.a + * %>'");
  const [block = ''] = columns('publish:\n  x: >\n    text\n    <% $.a + * %>');
  const column = (position: string): number => Number(position.split(':')[1]);
  t.regex(plain, /^6:/);
  t.regex(quoted, /^6:/);
  t.regex(block, /^8:/);
  t.true(column(plain) > 10 && column(plain) < 26);
  t.is(column(quoted), column(plain) + 1, 'the quote counts');
  t.is(column(block), column(plain) - 1, 'the text starts two columns to the right of the key, the plain value three');
});

test('a misspelt target does not make its join an error as well', (t) => {
  t.deepEqual(brief(errorsOf('workflow', workflowText('tasks:\n  a: {on-success: jion}\n  join1: {join: all}'))), [
    "4:21 Task 'jion' not found.",
  ]);
});

test('errors in clauses keep quiet about start tasks and joins', (t) => {
  t.is(errorsOf('workflow', workflowText('tasks:\n  a: {on-success: [1]}\n  j: {join: all}')).length, 1);
});

test('what YAML has to find fault with does not hide what else is wrong, and is not taken for it', (t) => {
  const text = `version: '2.0'
wf:
  input: [a]
  tasks:
    one: &anchor
      actoin: std.echo
      wait-before: !foo 5
      on: 3
      on-success: [tow, '1']
    two:
      <<: *anchor
      join: al
    1:
      retry: {{ x }}
      timeout: '5'
    three: *anchor
second:
  tasks:
    <<: {t: {join: all}}
    u: {on-success: t}
third: {<<: 1}
fourth: {tasks: {a: *b, c: {on-success: [d, c, a]}}}
---
x: 1
`;
  t.deepEqual(
    errorsOf('workflow', text).map(
      ({ line, column, message }) =>
        `${line}:${column} ${message.replace(/^(?:Invalid DSL|Definition could not be parsed): /, '')}`,
    ),
    [
      "5:10 the anchor '&anchor' is not supported",
      "6:7 Additional properties are not allowed ('actoin' was unexpected)",
      "7:20 could not determine a constructor for the tag '!foo'",
      "8:7 a key must be of type 'string', but 'on' is the boolean true in YAML",
      "9:20 Task 'tow' not found.",
      "11:7 the merge key '<<' is not supported",
      "11:11 the alias '*anchor' is not supported",
      "12:13 'al' is not valid under any of the given schemas",
      "13:5 a key must be of type 'string', but '1' is a number in YAML",
      '14:15 a mapping cannot be a key',
      "15:16 '5' is not valid under any of the given schemas",
      "16:12 the alias '*anchor' is not supported",
      "19:5 the merge key '<<' is not supported",
      "21:9 the merge key '<<' is not supported",
      "22:21 the alias '*b' is not supported",
      "22:42 Task 'd' not found.",
      '23:1 expected a single document',
    ],
  );
  t.deepEqual(warningsOf(text), []);
  const called = workflowText(
    'tasks:\n  a:\n    action: std.echo\n    input: {<<: 1}\n  b: {action: std.echo, input: {x: 1}}',
  );
  const host: DocumentOptions = {
    checkCall: (name) => [{ parameter: null, severity: 'error', message: `bad ${name}`, hint: null }],
  };
  t.deepEqual(brief(validate('workflow', called, host)), [
    "6:15 Definition could not be parsed: the merge key '<<' is not supported",
    '7:17 bad std.echo',
  ]);
});

test('expressions that will fail only at run time are warned of', (t) => {
  const warnings = warningsOf(taskText('publish: {deep: ["<% * %>"]}\ninput: {a: {b: "{{ _.x + }}"}}'));
  t.is(warnings.length, 2);
  t.deepEqual(
    warnings.map(({ path, line }) => `${line} ${path}`),
    ['5 wf.tasks.t.publish.deep[0]', '6 wf.tasks.t.input.a.b'],
  );
  for (const { message } of warnings) t.regex(message, /^This expression will fail at run time: /);
});

// What people write by a slip; the hint of one of the problems.
const SLIPS: readonly (readonly [text: string, hint: RegExp])[] = [
  [workflowText('task_defaults: {timeout: 1}\ntasks: {a: {action: b}}'), /^did you mean 'task-defaults'\?$/],
  [workflowText('timeout: 1\ntasks: {a: {action: b}}'), /belongs to a task, or into 'task-defaults'/],
  ["version: '2.0'\nwf: {type: direct}\ntasks: {a: {action: b}}", /^write the name of the workflow first/],
  [taskText('input: {a: { _.rows }}'), /^write "\{\{ _\.rows \}\}", in quotes$/],
  [taskText('input: {a: {$.rows}}'), /^write <% \$\.rows %>$/],
  [taskText('action: std.echo output=<% $.rows'), /^an expression is not closed/],
  [taskText('publish: {a: <% $.a && $.b %>}'), /^YAQL says 'and'$/],
  [workflowText('tasks:\n  load\n    action: b'), /^a colon is missing behind 'load' in the line before$/],
  [
    taskText('action:std.noop\nwait-before: 1'),
    /^a blank is missing behind the colon in the line before: 'action: std.noop'$/,
  ],
  [taskText('with-items: i in _.rows'), /'i in \{\{ _\.rows \}\}'$/],
];

for (const [text, hint] of SLIPS) {
  test(`the slip in ${JSON.stringify(text)} is understood`, (t) => {
    const problems = validate('workflow', text);
    t.true(
      problems.some((problem) => hint.test(problem.hint ?? '')),
      problems.map((problem) => `${problem.line}:${problem.column} ${problem.message}; ${problem.hint}`).join('\n'),
    );
  });
}

test('a template without {{ … }} is warned of: it fails whenever it is reached (§17-M)', (t) => {
  const warnings = warningsOf(
    taskText(
      'publish: {x: \'so {% if true %}a{% endif %}\', y: "{% if true %}{{ 1 }}{% endif %}", z: "{{ \'a\' if true else \'b\' }}"}\naction: std.echo output="{% set a = 1 %}"',
    ),
  );
  t.deepEqual(brief(warnings), [
    '5:24 This expression will fail at run time: list index out of range',
    '6:32 This expression will fail at run time: list index out of range',
  ]);
  t.regex(warnings[0]?.hint ?? '', /^a text with \{% … %\} needs a \{\{ … \}\}/);
});

test('broken expressions in names and messages are warned of', (t) => {
  const warnings = warningsOf(
    taskText("action: <% $.a + * %> x=1\non-error: [fail(msg=<% * %>), {'succeed(msg=<% * %>)': <% true %>}]"),
  );
  t.deepEqual(
    warnings.map(({ line, path }) => `${line} ${path}`),
    ['5 wf.tasks.t.action', '6 wf.tasks.t.on-error[0]', '6 wf.tasks.t.on-error[1]["succeed(msg=<% * %>)"]'],
  );
  t.true((warnings[1]?.column ?? 0) > 26);
});

test('an expression that is cut off by a comment or spans lines is warned of', (t) => {
  const [cut, spanning] = warningsOf(taskText('publish:\n  a: <% $.x #y %>\n  b: |\n    <% $.x +\n       1 %>'));
  t.is(cut?.message, "'<%' opens no expression here, the text stays as it is");
  t.deepEqual([cut?.line, cut?.column], [6, 12]);
  t.regex(cut?.hint ?? '', /put it in quotes/);
  t.is(spanning?.line, 8);
  t.regex(spanning?.hint ?? '', /folded block/);
});

test('duplicate keys are warned of with their path', (t) => {
  const [warning] = warningsOf(taskText('action: std.noop\naction: std.echo output=1'));
  t.is(warning?.path, 'wf.tasks.t.action');
  t.deepEqual([warning?.line, warning?.column], [6, 7]);
});

const CALLS = workflowText(`tasks:
  a: {action: std.ehco output=1}
  b:
    action: std.echo outptu="x"
  c:
    action: std.echo
    input:
      output: 1
      dely: 2
  d: {action: <% $.get(name) %>}
  e: {workflow: sib}
  f: {workflow: wf}
  g: {action: std.echo, input: <% $.get(all) %>}
  h: {action: own.act}`);

const HOST: DocumentOptions = {
  actions: ['std.echo', 'std.noop'],
  workflows: ['sub'],
  checkCall: (name, input) =>
    name !== 'std.echo'
      ? []
      : Object.keys(input)
          .filter((parameter) => parameter !== 'output')
          .map((parameter) => ({
            parameter,
            severity: 'error',
            message: `Invalid input [name=${name}, unexpected=['${parameter}']]`,
            hint: 'known: output',
          })),
};

test('the host tells which names there are; unknown ones are warned of with the nearest', (t) => {
  const warnings = validate('workflow', CALLS, HOST).filter(({ severity }) => severity === 'warning');
  t.deepEqual(
    warnings.map(({ line, column, message, hint }) => `${line}:${column} ${message} ${hint ?? '-'}`),
    [
      "4:17 Unknown action 'std.ehco' did you mean 'std.echo'?",
      "13:19 Unknown workflow 'sib' did you mean 'sub'?",
      "16:17 Unknown action 'own.act' -",
    ],
  );
});

test('entries of the same workbook are known by their short and their full names', (t) => {
  const text =
    "version: '2.0'\nname: b\nactions: {own: {base: std.noop}}\nworkflows:\n  x: {tasks: {t: {action: own}, u: {workflow: y}}}\n  y: {tasks: {t: {action: std.noop}}}\n  z: {tasks: {t: {action: b.own}, u: {workflow: b.y}}}\n";
  t.deepEqual(validate('workbook', text, HOST), []);
});

test('the base of an ad-hoc action is checked likewise; the short name of a sibling is not enough', (t) => {
  const text = `version: '2.0'
name: b
actions:
  one: {base: std.echo output=1 nope=2}
  two: {base: one}
  three: {base: b.one}
  four: {base: std.ehco, base-input: {x: 1}}
  five: {base: std.echo, base-input: {dely: 1}}
`;
  t.deepEqual(
    validate('workbook', text, HOST).map(
      ({ line, column, message, hint }) => `${line}:${column} ${message} ${hint ?? '-'}`,
    ),
    [
      "4:33 Invalid input [name=std.echo, unexpected=['nope']] known: output",
      "5:15 The short name 'one' is not looked up in the workbook name it in full: 'b.one'",
      "7:16 Unknown action 'std.ehco' did you mean 'std.echo'?",
      "8:39 Invalid input [name=std.echo, unexpected=['dely']] known: output",
    ],
  );
});

test('the host checks the parameters of static calls; its errors stand at the parameter', (t) => {
  const errors = validate('workflow', CALLS, HOST).filter(({ severity }) => severity === 'error');
  t.deepEqual(brief(errors), [
    "6:24 Invalid input [name=std.echo, unexpected=['outptu']]",
    "11:9 Invalid input [name=std.echo, unexpected=['dely']]",
  ]);
});

test('without a host nothing is said about names', (t) => {
  t.deepEqual(validate('workflow', CALLS), []);
});

test('inputs that nothing reads are warned of, unless something may read all of them', (t) => {
  const unused = (output: string): string[] =>
    brief(
      warningsOf(
        workflowText(
          `input:\n  - used\n  - lost\n  - too: <% $.lost %>\noutput: {o: ${output}}\ntasks: {t: {action: std.echo output=<% $.used %>}}`,
        ),
      ),
    );
  t.deepEqual(unused('1'), ["5:7 Input 'lost' is never used", "6:7 Input 'too' is never used"]);
  t.deepEqual(unused('<% $.lost + $.too %>'), []);
  t.deepEqual(unused('<% $ %>'), []);
  t.deepEqual(unused('<% execution().input %>'), []);
});

test('an input of an ad-hoc action that its base is not given is warned of, and a slip where one is meant', (t) => {
  const text = `version: '2.0'
one:
  base: std.echo output=<% $.name %>
  base-input: {delay: <% $.dely %>, data: <% $.from_the_caller %>}
  input: [name, delay: 1, nmae: <% $.lost %>]
  output: <% $.lost %>
two: {input: [all], base: std.echo, base-input: {output: <% $ %>}}
three: {input: [used], base: std.echo, base-input: {output: {deep: ['{{ _.used }}']}}}
`;
  t.deepEqual(
    validate('action', text).map(({ line, column, message, hint }) => `${line}:${column} ${message}; ${hint}`),
    [
      "4:28 Variable 'dely' is no input of this action; did you mean 'delay'?",
      "5:17 Input 'delay' is never used; read it in 'base-input' as <% $.delay %>, or remove it",
      "5:27 Input 'nmae' is never used; read it in 'base-input' as <% $.nmae %>, or remove it",
    ],
  );
});

test('a task that an expression names and the workflow does not have is warned of, with the nearest name', (t) => {
  const text = workflowText(`output: {o: <% task(load).result %>, p: <% task('load ').result %>}
tasks:
  load: {publish: {a: <% task(laod).result + task().result %>, b: "<% task('loda').result %>"}}
  join: {action: 'std.echo output="{{ task(''jion'').result }}"', on-success: [{load: "<% tasks().len() > 0 and task('x y') %>"}]}`);
  t.deepEqual(
    warningsOf(text)
      .filter(({ message }) => message.startsWith('Task '))
      .map(({ line, column, message, hint }) => `${line}:${column} ${message}; ${hint}`),
    [
      "3:52 Task 'load ' is not in this workflow: task('load ') is null; did you mean 'load'?",
      "5:33 Task 'laod' is not in this workflow: task('laod') is null; did you mean 'load'?",
      "5:79 Task 'loda' is not in this workflow: task('loda') is null; did you mean 'load'?",
      "6:48 Task 'jion' is not in this workflow: task('jion') is null; did you mean 'join'?",
      "6:121 Task 'x y' is not in this workflow: task('x y') is null; tasks are 'load', 'join'",
    ],
  );
});

test('an input that only a message of a transition reads is used', (t) => {
  t.deepEqual(
    warningsOf(workflowText(`input: [why]\ntasks: {t: {on-success: [{'fail(msg=<% $.why %>)': <% true %>}]}}`)),
    [],
  );
});

test('a variable that nothing sets is warned of wherever it is read, with the name that was probably meant', (t) => {
  const [misspelt, again, last, unset, ...others] = warningsOf(
    workflowText(`vars: {records: 1}
tasks:
  a: {publish: {total: <% $.from_env %>}, on-success: b}
  b: {with-items: 'item in <% $.recrods %>', action: 'std.echo output=<% $.item + $.total + $.from_env %>'}
  c: {action: std.echo output=<% $.recrods %>, retry: count=1 delay=<% $.recrods %>}`),
  ).toSorted((one, other) => one.message.localeCompare(other.message) * -1 || one.line - other.line);
  t.is(misspelt?.message, "Variable 'recrods' is read, but nothing in this workflow sets it");
  t.is(misspelt?.hint, "did you mean 'records'?");
  t.deepEqual([misspelt?.line, misspelt?.column], [6, 35]);
  t.deepEqual([again?.line, again?.column, last?.line, last?.column], [7, 38, 7, 76]);
  t.is(unset?.message, "Variable 'from_env' is read, but nothing in this workflow sets it");
  t.is(unset?.hint, "publish 'from_env' in a task, or declare it in 'input' or 'vars'");
  t.deepEqual([unset?.line, unset?.column], [5, 31]);
  t.deepEqual(
    others.map(({ line, column }) => `${line}:${column}`),
    ['6:97'],
  );
});

test('a task that is read like a variable is told how its result is read', (t) => {
  const [warning] = warningsOf(
    workflowText('tasks:\n  find: {on-success: use}\n  use: {action: std.echo output=<% $.find.id %>}'),
  );
  t.is(warning?.hint, 'the result of a task is read as <% task(find).result %>');
});

// A workflow in which 'x' is set, but not on any way to where it is read; the hint.
const TOO_LATE: readonly (readonly [body: string, hint: string])[] = [
  [
    'a: {publish: {x: 1}}\n  b: {action: std.echo output=<% $.x %>}',
    "'a' publishes it, and no way leads from there to here",
  ],
  [
    'a: {action: std.echo output=<% $.x %>, on-success: b}\n  b: {publish: {x: 1}}',
    "'b' publishes it, and no way leads from there to here",
  ],
  [
    'a: {publish-on-error: {x: 1}, on-success: b, on-error: c}\n  b: {action: "std.echo output={{ _.x }}"}\n  c: {action: std.noop}',
    "'a' publishes it only when it fails, and no way leads from there to here",
  ],
  [
    'a: {on-error: {publish: {branch: {x: 1}}, next: c}, on-success: b}\n  b: {wait-before: <% $.x %>}\n  c: {action: std.noop}',
    "'a' publishes it only when it fails, and no way leads from there to here",
  ],
  ['a: {publish: {x: 1, y: <% $.x %>}}', "'a' itself publishes it, once it has completed"],
  ['a: {publish: {x: 1}, timeout: <% $.x %>}', "'a' itself publishes it, once it has completed"],
  ['a: {publish: {x: 1}, fail-on: <% $.x %>}', "'a' itself publishes it, once it has completed"],
  ["a: {publish: {x: 1}, with-items: 'i in <% $.x %>'}", "'a' itself publishes it, once it has completed"],
  [
    'a: {publish: {x: 1}, on-error: [{b: <% $.x %>}]}\n  b: {action: std.noop}',
    "'a' publishes it only when it succeeds",
  ],
  [
    "a: {publish-on-error: {x: 1}, on-success: [{'fail(msg=<% $.x %>)': <% true %>}]}",
    "'a' publishes it only when it fails",
  ],
  [
    'a: {action: std.noop}\n  b: {on-success: c}\n  c: {on-success: b, publish: {x: 1}}\n  d: {action: std.echo output=<% $.x %>}',
    "'c' publishes it, but can never start",
  ],
  [
    'a: {action: std.echo output=<% $.x %>, on-success: b}\n  b: {on-success: {publish: {global: {x: 1}}}}',
    "'b' publishes it, and no way leads from there to here",
  ],
  [
    "a: {with-items: 'x in [1, 2]', action: std.echo output=<% $.x %>, publish: {y: <% $.x %>}}",
    "it can be read in 'input' of 'a'; what the items gave is task(a).result",
  ],
  [
    "a: {with-items: 'x in [1, 2]', action: std.echo output=<% $.x %>, on-success: b}\n  b: {action: std.echo output=<% $.x %>}",
    "it can be read in 'input' of 'a'; what the items gave is task(a).result",
  ],
];

for (const [tasks, hint] of TOO_LATE) {
  test(`a variable that is set elsewhere only is warned of in ${JSON.stringify(tasks)}`, (t) => {
    const found = warningsOf(workflowText(`tasks:\n  ${tasks}`)).filter(({ message }) =>
      message.startsWith("Variable 'x'"),
    );
    t.deepEqual(
      found.map((problem) => problem.hint),
      [hint],
    );
  });
}

test("a variable is late in 'vars', in the output of a success, and in a task that requires nothing", (t) => {
  const late = (text: string): (string | null)[] =>
    warningsOf(workflowText(text))
      .filter(({ message }) => message.startsWith("Variable 'x'"))
      .map(({ line, column, hint }) => `${line}:${column} ${hint}`);
  t.deepEqual(late('vars: {x: 1, y: <% $.x %>}\ntasks: {a: {action: std.noop}}'), [
    '3:24 what is computed from other variables belongs into the publish of a task',
  ]);
  t.deepEqual(late('output: {y: <% $.x %>}\noutput-on-error: {y: <% $.x %>}\ntasks: {a: {publish-on-error: {x: 1}}}'), [
    "3:20 'a' publishes it only when it fails, after which the workflow fails",
  ]);
  t.deepEqual(
    late(
      'type: reverse\ntasks:\n  a: {publish: {x: 1}}\n  b: {requires: [a], action: std.echo output=<% $.x %>}\n  c: {requires: [b], action: std.echo output=<% $.x %>}\n  d: {action: std.echo output=<% $.x %>}',
    ),
    ["8:38 'a' publishes it, and no way leads from there to here"],
  );
});

const SET: readonly string[] = [
  'input: [x]\ntasks: {a: {publish: {y: <% $.x %>}}}',
  'input: [x: 1]\ntasks: {a: {action: std.echo output=<% $.x %>}}',
  'vars: {x: 1}\noutput: {y: <% $.x %>}\ntasks: {a: {action: std.noop}}',
  'output: {y: <% $.x %>}\ntasks: {a: {publish-on-error: {x: 1}, on-error: noop}}',
  'output-on-error: {y: <% $.x %>}\ntasks: {a: {publish-on-error: {x: 1}}}',
  // Along whatever way leads there: each clause after its own ends, loops, joins, what was skipped, other branches' globals.
  'tasks: {a: {publish-on-error: {x: 1}, on-complete: b}, b: {action: std.echo output=<% $.x %>}}',
  'tasks: {a: {publish-on-skip: {x: 1}, on-success: b}, b: {action: std.echo output=<% $.x %>}}',
  'tasks: {a: {publish: {x: 1}, on-success: b}, b: {on-error: c}, c: {on-complete: d}, d: {wait-after: <% $.x %>}}',
  'tasks: {s: {on-success: a}, a: {on-success: b, action: std.echo output=<% $.x %>}, b: {publish: {x: 1}, on-success: a}}',
  'tasks: {a: {publish: {x: 1}, on-success: j}, b: {on-success: j}, j: {join: all, action: std.echo output=<% $.x %>}}',
  'tasks: {a: {on-success: {publish: {global: {x: 1}}}}, b: {action: std.echo output=<% $.x %>}}',
  'tasks: {a: {on-success: [r, b]}, b: {on-success: {publish: {global: {x: 1}}}}, r: {action: std.echo output=<% $.x %>}}',
  // 'r' runs twice, the second time perhaps after 'b'.
  'tasks: {a: {on-success: r}, c: {on-success: r}, r: {on-success: b, action: std.echo output=<% $.x %>}, b: {on-success: {publish: {global: {x: 1}}}}}',
  'tasks: {a: {publish: {x: 1}, on-success: [{b: <% $.x %>}]}, b: {action: std.noop}}',
  "tasks: {a: {publish-on-error: {x: 1}, on-error: ['fail(msg=<% $.x %>)']}}",
  'task-defaults: {on-error: h}\ntasks: {a: {publish-on-error: {x: 1}}, h: {action: std.echo output=<% $.x %>}}',
  'task-defaults: {timeout: <% $.x %>}\ntasks: {a: {publish: {x: 1}}}',
  'task-defaults: {on-complete: [{fail: <% $.x %>}]}\ntasks: {a: {publish: {x: 1}}}',
  'type: reverse\ntasks: {a: {publish: {x: 1}}, b: {requires: a}, c: {requires: b, action: std.echo output=<% $.x %>}}',
  'type: reverse\noutput: {y: <% $.x %>}\ntasks: {a: {publish: {x: 1}}, b: {action: std.noop}}',
  "tasks: {a: {target: <% $.x %>, with-items: 'x in [1]'}}",
  "tasks: {a: {with-items: 'x in [1]', input: {l: [<% $.x %>]}, action: 'std.<% $.x %> y=<% $.x %>'}}",
  'tasks: {a: {description: <% $.x %>, publish: {x: 1}}}',
  'tasks: {a: {on-success: {publish: {branch: {x: 1}}, next: b}}, b: {action: std.echo output=<% $.x %>}}',
  'tasks: {a: {on-error: {publish: {global: {x: 1}}, next: b}}, b: {wait-before: <% $.x %>}}',
  "tasks: {a: {with-items: 'x in [1, 2]', action: std.echo output=<% $.x %>}}",
  'tasks: {a: {retry: {count: 2, delay: 0, break-on: <% $.x > 1 %>}, publish: {x: 1}}}',
  // Of the members of a list, of a name that the expression sets, and of what Mistral sets.
  'input: [l]\noutput: {y: <% $.l.where($.x > 1).select($.z) %>}\ntasks: {a: {action: std.noop}}',
  'output: {y: <% let(x => 1) -> $x + 1 %>}\ntasks: {a: {action: std.noop}}',
  "input: [l]\noutput: {y: '{% for x in _.l %}{{ x.z }}{% endfor %}'}\ntasks: {a: {action: std.noop}}",
  'output: {y: <% [$.openstack.project_id, $.__execution.id, env().x] %>}\ntasks: {a: {action: std.noop}}',
  // They look whether it is there.
  'output: {y: <% $.get(x, 1) %>}\ntasks: {a: {action: std.noop}}',
  "output: {y: '{{ _.x is defined }}', z: '{{ _.x | default(1) }}'}\ntasks: {a: {action: std.noop}}",
];

for (const text of SET) {
  test(`no variable is missed in ${JSON.stringify(text)}`, (t) => {
    t.deepEqual(
      brief(warningsOf(workflowText(text))).filter((line) => line.includes('is read, but')),
      [],
    );
  });
}

test('a language that the operator disabled is refused at upload', (t) => {
  const errors = validate('workflow', taskText("publish: {a: '{{ _.x }}', b: <% $.y %>}"), {
    allowedLanguages: ['yaql'],
  });
  t.deepEqual(brief(errors), ["5:21 The 'jinja' expression language is disabled by the operator."]);
});

test('in strict mode text that is lost is an error', (t) => {
  const text = taskText('action: std.echo output=abc');
  t.deepEqual(
    validate('workflow', text, { strict: true }).map(({ severity }) => severity),
    ['error'],
  );
  t.deepEqual(
    validate('workflow', text).map(({ severity }) => severity),
    ['warning'],
  );
});

test('without validation whatever can be built is taken', (t) => {
  const options: DocumentOptions = { validate: false };
  t.deepEqual(validate('workflow', taskText('wait-before: x\nnonsense: 1\non-success: [1]'), options), []);
  // A run needs them.
  t.deepEqual(brief(validate('workflow', taskText('on-success: nowhere'), options)), [
    "5:19 Task 'nowhere' not found.",
  ]);
  t.deepEqual(brief(validate('workflow', workflowText('type: reverse\ntasks: {a: {requires: b}}'), options)), [
    "4:25 Task 'b' not found.",
  ]);
  t.deepEqual(brief(validate('workflow', workflowText('type: direct'), options)), [
    "2:1 Workflow doesn't have any tasks [data={'type': 'direct'}]",
  ]);
  t.regex(validate('workflow', workflowText('[1]'), options)[0]?.message ?? '', /is not of type 'object'/);
  t.regex(
    validate('workflow', 'a: {tasks: {t: {x: 1}}}', options)[0]?.message ?? '',
    /'version' is a required property/,
  );
  t.regex(validate('workbook', "version: '2.0'", options)[0]?.message ?? '', /'name' is a required property/);
  t.regex(validate('workflow', 'a: [', options)[0]?.message ?? '', /^Definition could not be parsed/);
});

test('no value in any place makes a check stumble, and what is accepted can be built', (t) => {
  const word = fc.constantFrom(
    ...KEYWORDS,
    'a',
    'b',
    'fail',
    'fail(msg=1)',
    '<% $.x %>',
    '<% * %>',
    '{{ _.x }}',
    'i in [1]',
    'count=1 delay=2',
    '__proto__',
    '',
    'constructor',
  );
  const leaf = fc.oneof(word, fc.constantFrom<Json>(null, true, 0, 2, -1, 1.5));
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { weight: 3, arbitrary: leaf },
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  const data = fc.dictionary(word, tree, { minKeys: 1, maxKeys: 3 });
  const sound = fc.record({ action: fc.constant('a'), input: data, publish: data }, { requiredKeys: ['action'] });
  const task = fc.oneof(data, sound);
  const workflow = fc.record(
    {
      type: fc.constantFrom('direct', 'reverse'),
      tasks: fc.dictionary(word, task, { maxKeys: 3 }),
      'task-defaults': fc.oneof(tree, fc.constant({ timeout: 1 })),
    },
    { requiredKeys: ['tasks'] },
  );
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.dictionary(word, tree),
        fc.record({ wf: workflow }),
        fc.record({ name: word, workflows: fc.dictionary(word, workflow), actions: tree }),
      ),
      (body) => {
        const text = writeYaml({ version: '2.0', ...body });
        for (const kind of ['workbook', 'workflow', 'action'] as const) {
          const problems = validate(kind, text, HOST);
          for (const { line, column } of problems) if (!(line >= 1 && column >= 1)) return false;
          if (problems.some(({ severity }) => severity === 'error')) continue;
          accepted++;
          if (kind === 'workflow') for (const spec of parseWorkflows(text).specs) graphOf(spec).joinsAfter('a');
          else if (kind === 'workbook') parseWorkbook(text);
          else parseActions(text);
        }
        validate('workflow', text, { validate: false });
        return true;
      },
    ),
    { numRuns: randomRuns(250), seed: 3 },
  );
  t.true(accepted >= randomRuns(4), String(accepted));
});

const KEYWORDS = [
  'action',
  'workflow',
  'input',
  'publish',
  'on-success',
  'on-error',
  'next',
  'join',
  'all',
  'retry',
  'with-items',
  'requires',
  'tasks',
  'base',
  'version',
  'timeout',
  'branch',
];

test('inline calls and spelling take linear time on texts made to be slow', (t) => {
  const n = 100_000;
  const start = process.cpuUsage().user;
  for (const piece of ['a', '=<%', '={{', '=[', 'a="', "a='", '=\n', '=<%\n'])
    parseInlineCall(`act ${piece.repeat(n)}`);
  const names = Array.from(
    { length: 3000 },
    (_, i) => `  a_rather_long_name_${i}: {on-success: a_rather_long_nmae_${i}}`,
  );
  t.is(validate('workflow', workflowText(`tasks:\n${names.join('\n')}`)).length, 3000);
  // Microseconds of this process, so that others on the machine do not count; what grows with the square of the length takes minutes.
  t.true(process.cpuUsage().user - start < 30_000_000);
});

test('the nearest name allows for case, separators and a few slips, and does not guess wildly', (t) => {
  const nearest = (word: string, known: readonly string[]): string | null => new Spelling().nearest(word, known);
  const names = ['on-success', 'on-error', 'on-complete', 'wait-before', 'wait-after', 'publish', 'a', 'b'];
  t.is(nearest('on_success', names), 'on-success');
  t.is(nearest('onSuccess', names), 'on-success');
  t.is(nearest('on-sucess', names), 'on-success');
  t.is(nearest('pubilsh', names), 'publish');
  t.is(nearest('waitbefore', names), 'wait-before');
  t.is(nearest('wait-beofre', names), 'wait-before');
  t.is(nearest('c', names), null);
  t.is(nearest('something', names), null);
});

test('paths name keys and items', (t) => {
  t.is(formatPath(['wf', 'tasks', 'load', 'on-success', 1]), 'wf.tasks.load.on-success[1]');
  t.is(formatPath(['wf', 'tasks', 'a.b', 'x']), 'wf.tasks["a.b"].x');
  t.is(formatPath([]), '');
});
