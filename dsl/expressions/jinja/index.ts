import type { Body } from './ast.ts';
import { compileExpression } from './compile-expression.ts';
import { compileTemplate } from './compile-template.ts';
import type { Environment, Filter } from './environment.ts';
import { htmlFilters } from './filters/html.ts';
import { jsonFilters } from './filters/json.ts';
import { numberFilters } from './filters/numbers.ts';
import { selectionFilters } from './filters/selection.ts';
import { sequenceFilters } from './filters/sequences.ts';
import { textFilters } from './filters/text.ts';
import { filter } from './filters/filter.ts';
import { ownAttribute } from './access.ts';
import { standardGlobals } from './globals.ts';
import { Undefined } from './objects.ts';
import { toText, truth } from './python.ts';
import { parseExpression } from './parser.ts';
import type { Runtime } from './runtime.ts';
import { Scope } from './scope.ts';
import { standardTests } from './tests.ts';

/**
 * Jinja2 3.1 as Mistral configures it (spec/expressions.md §12): sandboxed, strict about undefined names, blocks trimmed, no
 * loader. This folder knows nothing of Mistral; a host adds functions and filters through the environment.
 */
export type CompiledExpression = (runtime: Runtime) => unknown;
export type CompiledTemplate = (runtime: Runtime) => string;

/** An environment with Jinja's own names and the host's. */
export function createEnvironment(
  globals: ReadonlyMap<string, unknown>,
  filters: ReadonlyMap<string, Filter>,
): Environment {
  return {
    filters: new Map([...standardFilters, ...filters]),
    tests: standardTests,
    globals: new Map([...standardGlobals, ...globals]),
  };
}

/**
 * Compiles the inside of one `{{ … }}`; its value keeps its type. An undefined value is an error.
 *
 * @throws JinjaError `TemplateSyntaxError`, `TemplateAssertionError`
 */
export function compileInline(source: string, environment: Environment): CompiledExpression {
  const evaluate = compileExpression(parseExpression(source), environment);
  return (runtime) => {
    const value = evaluate(new Scope(runtime));
    if (value instanceof Undefined) value.failIfStrict();
    return value;
  };
}

/** Compiles a parsed template, which renders to text. @throws JinjaError */
export function compileText(template: Body, environment: Environment): CompiledTemplate {
  const render = compileTemplate(template, environment);
  return (runtime) => render(new Scope(runtime));
}

const standardFilters: readonly (readonly [string, Filter])[] = [
  ...sequenceFilters,
  ...selectionFilters,
  ...textFilters,
  ...numberFilters,
  ...htmlFilters,
  ...jsonFilters,
  ...['default', 'd'].map((name) =>
    filter(
      name,
      [
        ['default_value', ''],
        ['boolean', false],
      ],
      (value, [fallback, boolean]) =>
        value instanceof Undefined || (truth(boolean) && !truth(value)) ? fallback : value,
    ),
  ),
  // Like `value.name`, but without looking for a key.
  filter('attr', ['name'], (value, [name]) => ownAttribute(value, toText(name))),
];
