/**
 * The language as one table: which keywords there are, what their values may be and what they are for. The checks of an upload
 * (shape-check.ts) and the JSON Schema of the language (dsl/schema.ts) both come from it. Source: spec/dsl.md §2–§12.
 */
export interface Shape {
  /** What would be right; completes the sentence "… must be …". */
  readonly is: string;
  /** Every kind of value is fine; `text` may still constrain texts. */
  readonly anything?: true;
  /** The author's own data, in which expressions may stand at any depth; broken ones are warned of. */
  readonly data?: true;
  readonly text?: TextShape;
  readonly integer?: { readonly minimum: number };
  readonly boolean?: true;
  readonly list?: ListShape;
  /** The first entry one of whose `ifAnyKey` is present; an entry without the field fits every mapping. */
  readonly mappings?: readonly MappingShape[];
}

export interface TextShape {
  readonly minLength?: number;
  readonly values?: readonly string[];
  /** `single`: the text is one expression and nothing else. `inside`: it may hold expressions, whose syntax is checked. */
  readonly expressions?: 'single' | 'inside';
  /** A small language of its own. */
  readonly grammar?: Grammar;
}

export type Grammar = 'call' | 'next' | 'with-items' | 'retry';

export interface ListShape {
  readonly minItems: number;
  readonly unique: boolean;
  readonly items: Shape;
}

export interface MappingShape {
  readonly ifAnyKey?: readonly string[];
  readonly minKeys?: number;
  readonly maxKeys?: number;
  /** What to say about an empty mapping in place of the usual words. */
  readonly whenEmpty?: string;
  readonly keywords?: Readonly<Record<string, Keyword>>;
  readonly required?: readonly string[];
  /** Keywords of which at most one may be there. */
  readonly exclusive?: readonly string[];
  /** What other keys may be; without it there are none, unless `open`. */
  readonly others?: { readonly names?: NameShape; readonly shape: Shape };
  /** What would be right in place of a key that is not known and not near to a known one. */
  readonly ifUnknown?: string;
  /** Unknown keys are taken, with a warning (spec/dsl.md §17-D). */
  readonly open?: boolean;
}

export interface NameShape {
  readonly is: string;
  readonly pattern?: RegExp;
  readonly grammar?: 'next';
}

export interface Keyword {
  readonly shape: Shape;
  /** One sentence for editors and documentation. */
  readonly about: string;
}

const NONEMPTY_TEXT: Shape = { is: 'a text that is not empty', text: { minLength: 1 } };
const UNIQUE_TEXTS: Shape = {
  is: 'a list of different texts',
  list: { minItems: 1, unique: true, items: NONEMPTY_TEXT },
};
const TEXT_OR_UNIQUE_TEXTS: Shape = {
  ...UNIQUE_TEXTS,
  is: 'a name or a list of different names',
  text: { minLength: 1 },
};
export const EXPRESSION: Shape = {
  is: "one expression such as '<% $.x > 1 %>', with nothing before it",
  text: { expressions: 'single' },
};
const INTEGER_OR_EXPRESSION: Shape = {
  is: "a whole number >= 0, or one expression such as '<% $.x %>'",
  integer: { minimum: 0 },
  text: { expressions: 'single' },
};
const BOOLEAN_OR_EXPRESSION: Shape = {
  is: "true or false without quotes, or one expression such as '<% $.x %>'",
  boolean: true,
  text: { expressions: 'single' },
};
const ANYTHING: Shape = { is: 'any value', anything: true };
const DATA: Shape = { is: 'any value', anything: true, data: true };
const ANYTHING_CHECKED: Shape = { ...DATA, text: { expressions: 'inside' } };
const MAPPING: Shape = { is: 'a mapping with at least one key', mappings: [{ minKeys: 1, others: { shape: DATA } }] };
const MAPPING_CHECKED: Shape = { ...MAPPING, mappings: [{ minKeys: 1, others: { shape: ANYTHING_CHECKED } }] };
const CALL: Shape = {
  is: 'a name, with parameters behind it if need be: name a=1 b="text"',
  text: { minLength: 1, grammar: 'call' },
};

const NEXT = `a task or engine command: 'name', 'name key=value' or 'name(key=value)'`;
const NEXT_TEXT = { minLength: 1, grammar: 'next' } as const;
const CONDITIONAL: MappingShape = {
  minKeys: 1,
  maxKeys: 1,
  others: { names: { is: NEXT, grammar: 'next' }, shape: EXPRESSION },
};
const TRANSITION: Shape = { is: `${NEXT}, or {name: condition}`, text: NEXT_TEXT, mappings: [CONDITIONAL] };
const TRANSITIONS: ListShape = { minItems: 1, unique: true, items: TRANSITION };
const TRANSITIONS_SHAPE: Shape = {
  is: 'a task, a list of tasks, or {task: condition}',
  text: NEXT_TEXT,
  list: TRANSITIONS,
  mappings: [CONDITIONAL],
};

const PUBLISH: Shape = {
  is: "a mapping with 'branch', 'global' or both, each a mapping of variables",
  mappings: [
    {
      minKeys: 1,
      whenEmpty: "Either 'branch', 'global' or 'atomic' must be specified: ",
      ifUnknown: "variables stand below 'branch' or 'global'",
      keywords: {
        branch: { shape: MAPPING_CHECKED, about: 'Variables for the tasks that follow.' },
        global: { shape: MAPPING_CHECKED, about: 'Variables for the whole workflow.' },
        atomic: { shape: MAPPING_CHECKED, about: 'Accepted for compatibility; has no effect.' },
      },
    },
  ],
};

const ON_CLAUSE: Shape = {
  is: "a task, a list of tasks, {task: condition}, or a mapping with 'publish' and 'next'",
  text: NEXT_TEXT,
  list: TRANSITIONS,
  mappings: [
    {
      ifAnyKey: ['publish', 'next'],
      minKeys: 1,
      keywords: {
        publish: { shape: PUBLISH, about: 'Variables to publish, by scope.' },
        next: { shape: TRANSITIONS_SHAPE, about: 'What comes next.' },
      },
    },
    CONDITIONAL,
  ],
};

const RETRY: Shape = {
  is: "a mapping with 'count' and 'delay', or one line such as 'count=3 delay=1'",
  text: { minLength: 1, grammar: 'retry' },
  mappings: [
    {
      keywords: {
        count: { shape: INTEGER_OR_EXPRESSION, about: 'How many times to try again.' },
        delay: { shape: INTEGER_OR_EXPRESSION, about: 'Seconds between two tries.' },
        'break-on': { shape: EXPRESSION, about: 'Give up as soon as this is true.' },
        'continue-on': { shape: EXPRESSION, about: 'Go on only as long as this is true, also after a success.' },
      },
      required: ['count', 'delay'],
    },
  ],
};
/** The mapping form of `retry`; the one-line form must give the same, and what it cannot read is missing. */
export const RETRY_MAPPING: Shape = {
  is: "a mapping with 'count' and 'delay'",
  mappings: (RETRY.mappings ?? []).map((mapping) => ({
    ...mapping,
    keywords: {
      ...mapping.keywords,
      count: { shape: INTEGER_OR_EXPRESSION, about: "On one line such as 'count=3 delay=1', in digits or <% … %>." },
      delay: { shape: INTEGER_OR_EXPRESSION, about: "On one line such as 'count=3 delay=1', in digits or <% … %>." },
    },
  })),
};

const POLICIES = {
  retry: { shape: RETRY, about: 'Runs the task again when it fails.' },
  'wait-before': { shape: INTEGER_OR_EXPRESSION, about: 'Seconds to wait before the task starts.' },
  'wait-after': { shape: INTEGER_OR_EXPRESSION, about: 'Seconds to wait after the task has completed.' },
  timeout: { shape: INTEGER_OR_EXPRESSION, about: 'Seconds after which the task fails; 0 means never.' },
  'pause-before': { shape: BOOLEAN_OR_EXPRESSION, about: 'Pauses the workflow before the task starts.' },
  concurrency: {
    shape: INTEGER_OR_EXPRESSION,
    about: "How many items of 'with-items' run at the same time; 0 means all.",
  },
  'fail-on': { shape: BOOLEAN_OR_EXPRESSION, about: 'Fails a task that succeeded when this is true.' },
} satisfies Record<string, Keyword>;

const CLAUSES = {
  'on-success': { shape: ON_CLAUSE, about: 'What comes after a success.' },
  'on-error': { shape: ON_CLAUSE, about: 'What comes after a failure; the failure counts as handled.' },
  'on-complete': { shape: ON_CLAUSE, about: 'What comes after the task, whether it succeeded or failed.' },
  'on-skip': { shape: ON_CLAUSE, about: 'What comes after the task was skipped.' },
} satisfies Record<string, Keyword>;

const REQUIRES: Keyword = { shape: TEXT_OR_UNIQUE_TEXTS, about: 'Tasks that must succeed before this one starts.' };
const SAFE_RERUN: Keyword = {
  shape: BOOLEAN_OR_EXPRESSION,
  about: 'Whether an action may run a second time when its worker died.',
};
/** Put in by the engine; what the author wrote is overwritten. */
const INJECTED = {
  name: { shape: ANYTHING, about: 'Set by the engine to the key.' },
  version: { shape: ANYTHING, about: "Set by the engine to '2.0'." },
} satisfies Record<string, Keyword>;
const DESCRIPTION: Keyword = { shape: NONEMPTY_TEXT, about: 'What it is for.' };
const TAGS: Keyword = { shape: UNIQUE_TEXTS, about: 'Tags to find it by.' };

const TASK_KEYWORDS = {
  ...INJECTED,
  type: { shape: ANYTHING, about: "Set by the engine to the workflow's type." },
  description: DESCRIPTION,
  tags: TAGS,
  action: { shape: CALL, about: 'The action to run.' },
  workflow: { shape: CALL, about: 'The workflow to run as a sub-workflow.' },
  input: {
    shape: {
      ...MAPPING_CHECKED,
      is: 'a mapping of parameters, or one expression that gives it',
      text: { minLength: 1, expressions: 'inside' },
    },
    about: 'Parameters of the action or workflow.',
  },
  'with-items': {
    shape: {
      is: "'name in <% $.list %>', 'name in [1, 2]', or a list of such texts",
      text: { minLength: 1, grammar: 'with-items' },
      list: {
        minItems: 1,
        unique: true,
        items: { is: "a text such as 'name in <% $.list %>'", text: { minLength: 1, grammar: 'with-items' } },
      },
    },
    about: 'Runs the action once for every item.',
  },
  publish: { shape: MAPPING_CHECKED, about: 'Variables to publish after a success.' },
  'publish-on-error': { shape: MAPPING_CHECKED, about: 'Variables to publish after a failure.' },
  'publish-on-skip': { shape: MAPPING_CHECKED, about: 'Variables to publish when the task was skipped.' },
  ...POLICIES,
  target: { shape: NONEMPTY_TEXT, about: 'The worker that is to run the action.' },
  'keep-result': { shape: BOOLEAN_OR_EXPRESSION, about: 'false drops the result once it has been published.' },
  'safe-rerun': SAFE_RERUN,
} satisfies Record<string, Keyword>;

const JOIN: Keyword = {
  shape: {
    is: "'all', 'one' or a whole number >= 0 without quotes",
    text: { values: ['all', 'one'] },
    integer: { minimum: 0 },
  },
  about: 'Waits for all, one or that many of the tasks that lead here.',
};

function taskShape(own: Readonly<Record<string, Keyword>>): Shape {
  return {
    is: 'a mapping with at least one key',
    mappings: [{ minKeys: 1, keywords: { ...TASK_KEYWORDS, ...own }, exclusive: ['action', 'workflow'] }],
  };
}
export const DIRECT_TASK = taskShape({ join: JOIN, ...CLAUSES });
export const REVERSE_TASK = taskShape({ requires: REQUIRES });

export const TASK_DEFAULTS: Shape = {
  is: 'a mapping of policies and clauses',
  mappings: [{ minKeys: 1, keywords: { ...POLICIES, ...CLAUSES, requires: REQUIRES, 'safe-rerun': SAFE_RERUN } }],
};

const INPUT: Keyword = {
  shape: {
    is: "a list of parameters: '- name' or '- name: default'",
    list: {
      minItems: 1,
      unique: true,
      items: {
        is: 'a name or {name: default}',
        text: { minLength: 1 },
        mappings: [{ minKeys: 1, maxKeys: 1, others: { shape: ANYTHING } }],
      },
    },
  },
  about: 'Parameters; one with a default may be left out.',
};

/** `tasks` is looked at task by task, after its workflow's type is known. */
export const WORKFLOW: Shape = {
  is: 'a mapping',
  mappings: [
    {
      minKeys: 1,
      keywords: {
        ...INJECTED,
        type: {
          shape: { is: "'direct' or 'reverse'", text: { values: ['direct', 'reverse'] } },
          about: "'direct': tasks name what follows. 'reverse': tasks name what they require.",
        },
        description: { shape: ANYTHING, about: 'What it is for.' },
        tags: TAGS,
        input: INPUT,
        output: { shape: MAPPING_CHECKED, about: 'What the workflow gives when it succeeds.' },
        'output-on-error': { shape: MAPPING, about: 'What the workflow gives when it fails.' },
        vars: { shape: MAPPING_CHECKED, about: 'Variables, evaluated once at the start.' },
        'task-defaults': { shape: ANYTHING, about: 'Policies and clauses for all tasks.' },
        tasks: {
          shape: { is: 'a mapping of tasks', mappings: [{ minKeys: 1, others: { shape: ANYTHING } }] },
          about: 'The tasks by name.',
        },
      },
      required: ['tasks'],
      open: true,
    },
  ],
};

export const ACTION: Shape = {
  is: "a mapping with 'base'",
  mappings: [
    {
      minKeys: 1,
      keywords: {
        ...INJECTED,
        description: DESCRIPTION,
        tags: TAGS,
        base: { shape: CALL, about: 'The action that does the work.' },
        'base-input': { shape: MAPPING_CHECKED, about: 'Parameters of the base action.' },
        input: INPUT,
        output: { shape: ANYTHING_CHECKED, about: "What to make of the base action's result, which is '$'." },
      },
      required: ['base'],
    },
  ],
};

const MEMBER_NAME: NameShape = {
  is: "letters, digits, '_' and '-' only: the dot joins the names of book and entry",
  pattern: /^(?!version$)[\p{L}\p{N}_-]+$/u,
};
const MEMBERS: Shape = {
  is: 'a mapping with at least one entry',
  mappings: [
    {
      minKeys: 1,
      keywords: { version: { shape: ANYTHING, about: "'2.0', if present." } },
      others: { names: MEMBER_NAME, shape: ANYTHING },
    },
  ],
};

export const WORKBOOK: Shape = {
  is: 'a mapping',
  mappings: [
    {
      keywords: {
        version: { shape: ANYTHING, about: "The version of the language: '2.0'." },
        name: { shape: NONEMPTY_TEXT, about: 'The name of the workbook, without blanks.' },
        description: DESCRIPTION,
        tags: TAGS,
        actions: { shape: MEMBERS, about: 'Ad-hoc actions, stored as book.action.' },
        workflows: { shape: MEMBERS, about: 'Workflows, stored as book.workflow.' },
      },
      required: ['version', 'name'],
    },
  ],
};
