import { ExpressionError } from '../errors.ts';
import { isPlainDict, plainDictEntries } from '../yaql/values.ts';
import { TextCache } from './cache.ts';
import { evaluationError } from './failures.ts';
import { firstJinjaPrint } from './find.ts';
import { type MistralFunction, mistralFunctions } from './functions.ts';
import type { ExpressionHost } from './host.ts';
import type { Body } from './jinja/ast.ts';
import { bind, type CallArguments } from './jinja/calls.ts';
import type { Filter } from './jinja/environment.ts';
import { JinjaError } from './jinja/errors.ts';
import { compileInline, compileText, createEnvironment } from './jinja/index.ts';
import { NativeFunction, ownList, Undefined } from './jinja/objects.ts';
import { parseTemplate } from './jinja/parser.ts';
import { newDict } from './jinja/python.ts';
import { Runtime } from './jinja/runtime.ts';
import { unknownNames } from './jinja/check.ts';
import { plainValue } from './jinja/plain-value.ts';
import type { ExpressionScope } from './scope.ts';

/**
 * A text with Jinja in it, prepared once: typed when it is one `{{ … }}` and nothing else, else rendered as a template
 * (spec/expressions.md §11.3). Compiling waits for the first evaluation, whose error it becomes.
 */
export function prepareJinja(text: string): (scope: ExpressionScope) => unknown {
  // Positions in a lone expression count from behind its braces.
  const start = firstJinjaPrint(text)?.whole === text ? 2 : 0;
  return (scope) => {
    try {
      return cache.get(text, compile)(runtimeFor(scope));
    } catch (error) {
      throw evaluationError('jinja', text, error, (offset) => start + offset);
    }
  };
}

/** The syntax error of the text, with its offset; null when there is none. Filters and tests need not exist. */
export function checkJinja(text: string): ExpressionError | null {
  try {
    templateOf(text);
    return null;
  } catch (error) {
    if (!(error instanceof JinjaError)) throw error;
    return new ExpressionError('grammar', 'jinja', `Syntax error '${error.message}'.`, {
      ...(error.offset === null ? {} : { offset: error.offset }),
      errorClass: 'JinjaGrammarException',
      cause: error,
      explain: () => error.explanation,
    });
  }
}

/**
 * The reference looks for the first {{ }} without asking whether there is one; recordings of it hold us to that, although
 * spec/dsl.md §17-M proposes to render such a text.
 */
function withoutPrint(text: string): JinjaError {
  return new JinjaError('IndexError', 'list index out of range', text.indexOf('{%')).explain(() => ({
    hint: "a text with {% … %} needs a {{ … }} on one line as well: write {{ 'a' if _.x else 'b' }}, or {{ '' }} behind it",
    signatures: [],
  }));
}

/** Calls and filters that fail whenever they are reached. The text is known to be sound. */
export function certainJinjaErrors(text: string): readonly ExpressionError[] {
  if (firstJinjaPrint(text) === null) return [evaluationError('jinja', text, withoutPrint(text))];
  return unknownNames(templateOf(text), environment).map((error) => evaluationError('jinja', text, error));
}

/** The tree of a text as a template, kept for a while: checks, references and the evaluation ask for the same. @throws JinjaError */
export function templateOf(text: string): Body {
  return templates.get(text, parseTemplate);
}

const templates = new TextCache<Body>(2_000, 1_000_000);

type Compiled = (runtime: Runtime) => unknown;

const cache = new TextCache<Compiled>(10_000, 8_000_000);

function compile(text: string): Compiled {
  const first = firstJinjaPrint(text);
  if (first === null) throw withoutPrint(text);
  if (first.whole !== text) return compileText(templateOf(text), environment);
  const evaluate = compileInline(first.inside, environment);
  return (runtime) => plainValue(evaluate(runtime), runtime);
}

function runtimeFor(scope: ExpressionScope): Runtime {
  return new Runtime(environment, (name) => variable(scope, name), scope.host);
}

function variable(scope: ExpressionScope, name: string): unknown {
  switch (name) {
    case '_':
      return scope.data ?? null;
    case '__env':
      return scope.variables?.env ?? null;
    case '__execution':
      return scope.variables?.execution ?? null;
    case '__task_execution':
      return scope.variables?.taskExecution ?? null;
    default:
      return undefined;
  }
}

const environment = createEnvironment(
  new Map(mistralFunctions.map((definition) => [definition.name, globalFunction(definition)] as const)),
  new Map(mistralFunctions.map((definition) => [definition.name, filterFunction(definition)] as const)),
);

function globalFunction(definition: MistralFunction): NativeFunction {
  return new NativeFunction(definition.name, (args, runtime) => run(definition, args, runtime));
}

/** As a filter the piped value stands for the data context, which the functions do not look at: `_|task('t')`. */
function filterFunction(definition: MistralFunction): Filter {
  return (_value, args, runtime) => run(definition, args, runtime);
}

function run(definition: MistralFunction, args: CallArguments, runtime: Runtime): unknown {
  const values = bind(definition.name, definition.parameters, args).map((value) => {
    if (value instanceof Undefined) value.fail();
    return plainValue(value, runtime);
  });
  // Only scopes make runtimes here, and each gives its host.
  const result = definition.run(values, runtime.host as ExpressionHost);
  if (definition.name === 'env' && result === null) throw new JinjaError('KeyError', "'__env'");
  return definition.name.endsWith('_parse') ? ownData(result) : result;
}

/** What was parsed belongs to the template, which may change it: mappings of any keys as dicts, lists as its own. */
function ownData(value: unknown): unknown {
  if (Array.isArray(value)) return ownList(value.map(ownData));
  const entries = value instanceof Map ? value : isPlainDict(value) ? plainDictEntries(value) : null;
  if (entries === null) return value;
  return newDict(Array.from(entries, ([key, item]: readonly [unknown, unknown]) => [key, ownData(item)] as const));
}
