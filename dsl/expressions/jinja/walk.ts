import type { Arguments, Body, Expression, Statement, Target } from './ast.ts';

/** The expressions directly inside an expression, in the order of the text. */
export function childrenOf(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case 'const':
    case 'name':
    case 'nsref':
      return [];
    case 'tuple':
    case 'list':
      return node.items;
    case 'dict':
      return node.pairs.flat();
    case 'getattr':
      return [node.object];
    case 'getitem':
      return [node.object, node.index];
    case 'slice':
      return present([node.start, node.stop, node.step]);
    case 'call':
      return [node.callee, ...argumentExpressions(node.args)];
    case 'filter':
      return [...present([node.operand]), ...argumentExpressions(node.args)];
    case 'test':
      return [node.operand, ...argumentExpressions(node.args)];
    case 'not':
    case 'neg':
    case 'pos':
      return [node.operand];
    case 'binary':
    case 'and':
    case 'or':
      return [node.left, node.right];
    case 'concat':
      return node.parts;
    case 'compare':
      return [node.first, ...node.rest.map(({ operand }) => operand)];
    case 'conditional':
      return [node.condition, node.then, ...present([node.otherwise])];
  }
}

/** The expressions of a statement itself, without those of enclosed statements. */
export function expressionsOf(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case 'text':
    case 'block':
      return [];
    case 'print':
    case 'set':
    case 'autoescape':
      return [statement.value];
    case 'for':
      return [statement.iterable, ...present([statement.condition])];
    case 'if':
      return statement.branches.map(({ condition }) => condition);
    case 'set-block':
      return present([statement.filter]);
    case 'with':
      return statement.bindings.map(({ value }) => value);
    case 'macro':
      return statement.signature.defaults;
    case 'call-block':
      return [statement.call, ...statement.signature.defaults];
    case 'filter-block':
      return [statement.filter];
    case 'loader':
      return [statement.template];
  }
}

export function bodiesOf(statement: Statement): readonly Body[] {
  switch (statement.kind) {
    case 'text':
    case 'print':
    case 'set':
    case 'loader':
      return [];
    case 'for':
      return [statement.body, statement.otherwise];
    case 'if':
      return [...statement.branches.map(({ body }) => body), statement.otherwise];
    default:
      return [statement.body];
  }
}

/** Names that a statement binds. */
export function namesBoundBy(statement: Statement): readonly string[] {
  switch (statement.kind) {
    case 'set':
    case 'set-block':
    case 'for':
      return targetNames(statement.target);
    case 'with':
      return statement.bindings.flatMap(({ target }) => targetNames(target));
    case 'macro':
      return [statement.name, ...statement.signature.parameters];
    case 'call-block':
      return statement.signature.parameters;
    default:
      return [];
  }
}

/** Whether any expression in the body, at any depth, reads the name. */
export function mentions(body: Body, name: string): boolean {
  return body.some(
    (statement) =>
      expressionsOf(statement).some((expression) => readsName(expression, name)) ||
      bodiesOf(statement).some((inner) => mentions(inner, name)),
  );
}

function readsName(expression: Expression, name: string): boolean {
  if (expression.kind === 'name' && expression.name === name) return true;
  return childrenOf(expression).some((child) => readsName(child, name));
}

function targetNames(target: Target): readonly string[] {
  if (target.kind === 'tuple') return target.items.flatMap(targetNames);
  return target.kind === 'name' ? [target.name] : [];
}

function argumentExpressions(args: Arguments): readonly Expression[] {
  return [
    ...args.positional,
    ...args.keywords.map(([, value]) => value),
    ...present([args.restPositional, args.restKeywords]),
  ];
}

function present<Item>(items: readonly (Item | null)[]): Item[] {
  return items.filter((item): item is Item => item !== null);
}
