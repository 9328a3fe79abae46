import { formatProblem } from '../../dsl/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { checkShape } from '../../dsl/spec/shape-check.ts';
import type { Keyword, Shape } from '../../dsl/spec/shape.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { UsageError } from '../usage-error.ts';
import { type Answer, failure, type Mock, type Mocks, success } from './mocks.ts';

/** What a test file says, in the order of the text. */
export interface TestFile {
  /** The workbook or workflows, relative to the test file; null: the one beside it. */
  readonly file: string | null;
  /** Further files whose workflows and actions are called. */
  readonly uses: readonly string[];
  readonly tests: readonly TestCase[];
}

export interface TestCase {
  readonly name: string;
  /** null: the only one there is. */
  readonly workflow: string | null;
  readonly input: JsonObject;
  readonly env: JsonObject | null;
  /** The target of a reverse workflow. */
  readonly task: string | null;
  readonly mocks: Mocks;
  readonly expect: Expectation;
}

/** Absent: nothing is expected. */
export interface Expectation {
  readonly state: Json | undefined;
  readonly info: Json | undefined;
  readonly path: readonly PathStep[] | undefined;
  readonly tasks: Readonly<Record<string, Json>>;
  readonly output: Json | undefined;
  readonly seconds: Json | undefined;
}

/** One task, or some whose order does not matter. A state is compared only where it is given. */
export type PathStep = readonly PathTask[];

export interface PathTask {
  readonly name: string;
  readonly state: string | null;
}

/** @throws UsageError with a line for each fault. */
export function readTestFile(path: string, text: string): TestFile {
  const problems = new Problems();
  const { value, locate } = readYaml(text, problems);
  if (value !== undefined) checkShape(value, TEST_FILE, [], problems);
  const faults = problems.sorted(locate);
  if (faults.length > 0 || !isJsonObject(value)) {
    // The words of the workflow language, which this is not.
    const lines = faults.map((fault) => `${path}:${formatProblem(fault).replace('Invalid DSL: ', '')}`);
    throw new UsageError(lines.length > 0 ? lines.join('\n') : `${path} holds no mapping with tests`);
  }
  const common = {
    workflow: textOf(value['workflow']),
    input: mappingOf(value['input']),
    mocks: mappingOf(value['mocks']),
  };
  return {
    file: textOf(value['file']),
    uses: listOf(value['uses']).map(String),
    tests: listOf(value['tests']).map((test) => readCase(mappingOf(test), common)),
  };
}

/** Whether the text is a test file rather than a definition. */
export function isTestFile(text: string): boolean {
  const { value } = readYaml(text, new Problems());
  return isJsonObject(value) && Array.isArray(value['tests']);
}

function readCase(
  test: JsonObject,
  common: { readonly workflow: string | null; readonly input: JsonObject; readonly mocks: JsonObject },
): TestCase {
  const expect = mappingOf(test['expect']);
  const isCommon = test['workflow'] === undefined || test['workflow'] === common.workflow;
  return {
    name: textOf(test['name']) ?? '',
    workflow: textOf(test['workflow']) ?? common.workflow,
    // Another workflow has other inputs.
    input: { ...(isCommon ? common.input : {}), ...mappingOf(test['input']) },
    env: test['env'] === undefined ? null : mappingOf(test['env']),
    task: textOf(test['task']),
    mocks: readMocks(common.mocks, mappingOf(test['mocks'])),
    expect: {
      state: expect['state'],
      info: expect['info'],
      path: expect['path'] === undefined ? undefined : listOf(expect['path']).map(readStep),
      tasks: mappingOf(expect['tasks']) as Readonly<Record<string, Json>>,
      output: expect['output'],
      seconds: expect['seconds'],
    },
  };
}

/** Those of a test win over those of the file. */
function readMocks(common: JsonObject, own: JsonObject): Mocks {
  const read = (section: 'tasks' | 'actions'): ReadonlyMap<string, Mock> =>
    new Map(
      Object.entries({ ...mappingOf(common[section]), ...mappingOf(own[section]) }).map(([name, mock]) => [
        name,
        Array.isArray(mock)
          ? { inTurn: (mock as readonly Json[]).map((item) => readAnswer(mappingOf(item))) }
          : { always: readAnswer(mappingOf(mock)) },
      ]),
    );
  return { tasks: read('tasks'), actions: read('actions') };
}

function readAnswer(answer: JsonObject): Answer {
  const { error, result } = answer;
  return {
    result: error === undefined ? success(result ?? null) : failure(error),
    delay: Number(answer['delay'] ?? 0),
  };
}

function readStep(step: Json): PathStep {
  return Array.isArray(step) ? (step as readonly Json[]).flatMap(readStep) : readPathTasks(step);
}

function readPathTasks(step: Json): PathStep {
  if (typeof step === 'string') return [{ name: step, state: null }];
  return Object.entries(mappingOf(step)).map(([name, state]) => ({ name, state: String(state) }));
}

function mappingOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

const ANYTHING: Shape = { is: 'any value', anything: true };
const NAME: Shape = { is: 'a text that is not empty', text: { minLength: 1 } };
const DATA: Shape = { is: 'a mapping', mappings: [{ others: { shape: ANYTHING } }] };
const ANSWER = {
  keywords: {
    result: { shape: ANYTHING, about: 'What the action gives.' },
    error: { shape: ANYTHING, about: 'What the action gives when it fails.' },
    delay: { shape: { is: 'a whole number >= 0', integer: { minimum: 0 } }, about: 'Virtual seconds until then.' },
  },
  exclusive: ['result', 'error'],
} as const;
const MOCK: Shape = {
  is: "a mapping with 'result' or 'error' (and 'delay'), or a list of them, one for each run",
  mappings: [ANSWER],
  list: {
    minItems: 1,
    unique: false,
    items: { is: "a mapping with 'result' or 'error' (and 'delay')", mappings: [ANSWER] },
  },
};
const MOCKS: Keyword = {
  shape: {
    is: "a mapping with 'tasks', 'actions' or both",
    mappings: [
      {
        ifUnknown: "names stand below 'tasks' or 'actions'",
        keywords: {
          tasks: { shape: { is: 'a mapping of tasks', mappings: [{ others: { shape: MOCK } }] }, about: 'By task.' },
          actions: {
            shape: { is: 'a mapping of actions', mappings: [{ others: { shape: MOCK } }] },
            about: 'By action.',
          },
        },
      },
    ],
  },
  about: 'What stands in for actions and sub-workflows.',
};
const TASK_STATE: Shape = { is: '{task: state}', mappings: [{ minKeys: 1, others: { shape: NAME } }] };
const STEP: Shape = {
  is: 'a task, {task: state}, or a list of tasks whose order does not matter',
  text: { minLength: 1 },
  list: {
    minItems: 1,
    unique: false,
    items: { ...TASK_STATE, is: 'a task, or {task: state}', text: { minLength: 1 } },
  },
  mappings: TASK_STATE.mappings ?? [],
};
const EXPECTED_TASK: Shape = {
  is: "a mapping with 'state', 'info', 'published', 'result' or 'runs'",
  mappings: [
    {
      minKeys: 1,
      keywords: {
        state: { shape: NAME, about: 'Its state, the last time it ran.' },
        info: { shape: ANYTHING, about: 'Why it failed.' },
        published: { shape: ANYTHING, about: 'What it published.' },
        result: { shape: ANYTHING, about: 'Its result.' },
        runs: { shape: { is: 'a whole number >= 0', integer: { minimum: 0 } }, about: 'How many times it ran.' },
      },
    },
  ],
};
const EXPECT: Keyword = {
  shape: {
    is: 'a mapping of what is expected',
    mappings: [
      {
        minKeys: 1,
        keywords: {
          state: { shape: NAME, about: 'How the workflow ends.' },
          info: { shape: ANYTHING, about: 'Why it ended so.' },
          path: {
            shape: { is: 'a list of tasks', list: { minItems: 0, unique: false, items: STEP } },
            about: 'Its tasks as they were started.',
          },
          tasks: {
            shape: { is: 'a mapping of tasks', mappings: [{ others: { shape: EXPECTED_TASK } }] },
            about: 'What became of them.',
          },
          output: { shape: ANYTHING, about: 'The output of the workflow.' },
          seconds: {
            shape: { is: 'a whole number >= 0', integer: { minimum: 0 } },
            about: 'Virtual seconds from start to end.',
          },
        },
      },
    ],
  },
  about: 'What must come of it.',
};
const CASE: Shape = {
  is: "a mapping with 'name' and 'expect'",
  mappings: [
    {
      keywords: {
        name: { shape: NAME, about: 'What it shows.' },
        workflow: { shape: NAME, about: 'Which of several workflows.' },
        input: { shape: DATA, about: 'Its input.' },
        env: { shape: DATA, about: 'Its environment.' },
        task: { shape: NAME, about: 'The target of a reverse workflow.' },
        mocks: MOCKS,
        expect: EXPECT,
      },
      required: ['name', 'expect'],
    },
  ],
};
const TEST_FILE: Shape = {
  is: "a mapping with 'tests'",
  mappings: [
    {
      keywords: {
        file: { shape: NAME, about: 'The workbook or workflows, relative to this file.' },
        uses: {
          shape: { is: 'a list of files', list: { minItems: 1, unique: true, items: NAME } },
          about: 'Further definitions.',
        },
        workflow: { shape: NAME, about: 'Which of several workflows.' },
        input: { shape: DATA, about: 'Input for all tests.' },
        mocks: MOCKS,
        tests: {
          shape: { is: 'a list of tests', list: { minItems: 1, unique: false, items: CASE } },
          about: 'The tests.',
        },
      },
      required: ['tests'],
    },
  ],
};
