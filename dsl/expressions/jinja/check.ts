import type { Body, Expression } from './ast.ts';
import type { Environment } from './environment.ts';
import { assertionError, type JinjaError, undefinedError } from './errors.ts';
import { explainUndefined, explainUnknown } from './explain.ts';
import { bodiesOf, childrenOf, expressionsOf, namesBoundBy } from './walk.ts';

/** Filters, tests and functions that do not exist, as the errors they will be when they are reached. */
export function unknownNames(template: Body, environment: Environment): readonly JinjaError[] {
  const errors: JinjaError[] = [];
  const bound = new Set(['caller', 'varargs', 'kwargs', 'loop', 'self', 'super']);
  collectBound(template, bound);
  collectFromBody(template, { environment, bound, errors });
  return errors;
}

interface Collection {
  readonly environment: Environment;
  /** Names that some statement sets, wherever it stands. */
  readonly bound: ReadonlySet<string>;
  readonly errors: JinjaError[];
}

function collectBound(body: Body, bound: Set<string>): void {
  for (const statement of body) {
    for (const name of namesBoundBy(statement)) bound.add(name);
    for (const inner of bodiesOf(statement)) collectBound(inner, bound);
  }
}

function collectFromBody(body: Body, collection: Collection): void {
  for (const statement of body) {
    for (const expression of expressionsOf(statement)) collect(expression, collection);
    for (const inner of bodiesOf(statement)) collectFromBody(inner, collection);
  }
}

function collect(node: Expression, collection: Collection): void {
  const error = errorOf(node, collection);
  if (error !== null) collection.errors.push(error);
  for (const child of childrenOf(node)) collect(child, collection);
}

function errorOf(node: Expression, { environment, bound }: Collection): JinjaError | null {
  if (node.kind === 'filter' || node.kind === 'test') {
    const known = node.kind === 'filter' ? environment.filters : environment.tests;
    if (known.has(node.name)) return null;
    return assertionError(`No ${node.kind} named '${node.name}'.`, node.offset).explain(() =>
      explainUnknown(node.kind, node.name, environment),
    );
  }
  if (node.kind !== 'call' || node.callee.kind !== 'name') return null;
  const { name, offset } = node.callee;
  if (environment.globals.has(name) || bound.has(name) || HOST_VARIABLES.has(name)) return null;
  return undefinedError(`'${name}' is undefined`)
    .locate(offset)
    .explain(() => explainUndefined(name, null, environment));
}

const HOST_VARIABLES: ReadonlySet<string> = new Set(['_', '__env', '__execution', '__task_execution']);
