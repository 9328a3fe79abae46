import type { Arguments, Body, Expression } from './jinja/ast.ts';
import { bodiesOf, childrenOf, expressionsOf } from './jinja/walk.ts';
import type { ReferenceCollector } from './reference-collector.ts';

export function collectJinjaBody(body: Body, collector: ReferenceCollector): void {
  for (const statement of body) {
    for (const expression of expressionsOf(statement)) collectJinjaExpression(expression, collector);
    for (const inner of bodiesOf(statement)) collectJinjaBody(inner, collector);
  }
}

export function collectJinjaExpression(node: Expression, collector: ReferenceCollector): void {
  const name = variableRead(node);
  if (name !== null) {
    collector.variable(name);
    if (node.kind === 'call') collectArguments(node.args, collector);
    return;
  }
  if (node.kind === 'name') return collectName(node.name, collector);
  if (node.kind === 'call' && node.callee.kind === 'getattr' && isContext(node.callee.object)) {
    collector.context();
    return collectArguments(node.args, collector);
  }
  if (node.kind === 'call' && node.callee.kind === 'name') {
    collectCall(node.callee.name, node.args, collector);
    return collectArguments(node.args, collector);
  }
  if (node.kind === 'filter') {
    collectCall(node.name, node.args, collector);
    collectNamedFilter(node.args, collector);
    // `_|task('x')`: the piped context is only a place holder.
    if (node.operand?.kind === 'name' && node.operand.name === '_' && PLACE_HOLDER_FILTERS.has(node.name)) {
      return collectArguments(node.args, collector);
    }
  }
  for (const child of childrenOf(node)) collectJinjaExpression(child, collector);
}

const PLACE_HOLDER_FILTERS = new Set(
  'env execution executions task tasks global uuid json_dump json_parse yaml_dump yaml_parse'.split(' '),
);

/** `_.x`, `_['x']`, `_.get('x')`: the name; null for anything else. */
function variableRead(node: Expression): string | null {
  if (node.kind === 'call' && node.callee.kind === 'getattr' && isContext(node.callee.object)) {
    return node.callee.attribute === 'get' ? constantText(node.args.positional[0]) : null;
  }
  if (node.kind === 'getattr' && isContext(node.object)) return node.attribute;
  return node.kind === 'getitem' && isContext(node.object) ? constantText(node.index) : null;
}

function isContext(node: Expression): boolean {
  return node.kind === 'name' && node.name === '_';
}

function constantText(node: Expression | undefined): string | null {
  return node?.kind === 'const' && typeof node.value === 'string' ? node.value : null;
}

/** A name that is not called: the context, or a function that someone else may call. */
function collectName(name: string, collector: ReferenceCollector): void {
  if (name === '_') collector.context();
  if (name === 'task' || name === 'tasks') {
    collector.function(name);
    collector.task(undefined);
  }
}

function collectCall(name: string, args: Arguments, collector: ReferenceCollector): void {
  collector.function(name);
  if (name !== 'task') return;
  const [first] = args.positional;
  const named = args.keywords.find(([keyword]) => keyword === 'task_name')?.[1];
  const given = first ?? named;
  if (args.restPositional !== null || args.restKeywords !== null) collector.task(undefined);
  else if (given === undefined) collector.task(null);
  else collector.task(given.kind === 'const' ? given.value : undefined);
}

/** `names|map('task')` and its like. */
function collectNamedFilter(args: Arguments, collector: ReferenceCollector): void {
  for (const arg of args.positional) {
    const name = constantText(arg);
    if (name === 'task' || name === 'tasks') collectName(name, collector);
  }
}

function collectArguments(args: Arguments, collector: ReferenceCollector): void {
  const values = [
    ...args.positional,
    ...args.keywords.map(([, value]) => value),
    args.restPositional,
    args.restKeywords,
  ];
  for (const value of values) if (value !== null) collectJinjaExpression(value, collector);
}
