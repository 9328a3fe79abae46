import { type Argument, type Ast, childrenOf } from '../yaql/ast.ts';
import { createContext } from '../yaql/expression.ts';
import type { ReferenceCollector } from './reference-collector.ts';

/** `isOuter`: whether `$` still means the data context here, and not the argument of a lambda. */
export function collectYaql(node: Ast, collector: ReferenceCollector, isOuter = true): void {
  switch (node.kind) {
    case 'group':
      return collectYaql(node.inner, collector, isOuter);
    case 'variable':
      if (isOuter && isContext(node)) collector.context();
      return;
    case 'call':
      collectCall(node.name, node.args, collector);
      return collectArguments(node.name, node.args, 0, collector, isOuter);
    case 'binary':
      if (node.operator === '.' || node.operator === '?.')
        return collectMember(node.left, node.right, collector, isOuter);
      break;
    case 'index': {
      const name = isContext(node.target) && node.args.length === 1 ? constantText(node.args[0]) : null;
      if (name !== null && isOuter) return collector.variable(name);
      break;
    }
    default:
      break;
  }
  for (const child of childrenOf(node)) collectYaql(child, collector, isOuter);
}

/** `left.right`: a property, or a method whose receiver counts as its first parameter. */
function collectMember(left: Ast, right: Ast, collector: ReferenceCollector, isOuter: boolean): void {
  if (isContext(left)) {
    const name = variableRead(right);
    if (name !== null) {
      if (isOuter) collector.variable(name);
      if (right.kind === 'call') collectArguments(right.name, right.args, 1, collector, isOuter);
      return;
    }
  }
  collectYaql(left, collector, isOuter);
  if (right.kind === 'call') {
    collectCall(right.name, right.args, collector);
    collectArguments(right.name, right.args, 1, collector, isOuter);
  } else {
    collectYaql(right, collector, isOuter);
  }
}

/** `$.x` and `$.get(x)` read the variable x. */
function variableRead(member: Ast): string | null {
  if (member.kind === 'keyword') return member.value;
  return member.kind === 'call' && member.name === 'get' ? constantText(member.args[0]) : null;
}

function collectCall(name: string, args: readonly Argument[], collector: ReferenceCollector): void {
  const bare = name.replace(/_+$/, '');
  collector.function(bare);
  if (bare !== 'task') return;
  const [first] = args;
  if (first === undefined) return collector.task(null);
  const given = first.kind === 'mapping' ? first.value : first;
  if (given.kind === 'empty') collector.task(null);
  else if (given.kind === 'constant' || given.kind === 'keyword') collector.task(given.value);
  else collector.task(undefined);
}

function collectArguments(
  name: string,
  args: readonly Argument[],
  receivers: 0 | 1,
  collector: ReferenceCollector,
  isOuter: boolean,
): void {
  args.forEach((arg, i) => {
    if (arg.kind === 'empty') return;
    if (arg.kind === 'mapping') {
      if (arg.key.kind !== 'keyword') collectYaql(arg.key, collector, isOuter);
      return collectYaql(arg.value, collector, isOuter);
    }
    collectYaql(arg, collector, isOuter && !takesLambda(name, receivers, i + receivers));
  });
}

/** Whether every overload of the function binds `$` anew in this argument. Unknown functions do not. */
function takesLambda(name: string, receivers: 0 | 1, index: number): boolean {
  const overloads = library()
    .functions.find(name, receivers === 1 ? 'method' : 'function')
    .flat()
    .filter(({ params }) => params.length > index || params.at(-1)?.role === 'rest');
  return (
    overloads.length > 0 && overloads.every(({ params }) => (params[index] ?? params.at(-1))?.type.lazy === 'lambda')
  );
}

let shared: ReturnType<typeof createContext> | undefined;

function library(): ReturnType<typeof createContext> {
  shared ??= createContext();
  return shared;
}

function isContext(node: Ast): boolean {
  if (node.kind === 'group') return isContext(node.inner);
  return node.kind === 'variable' && (node.name === '$1' || node.name === '$');
}

function constantText(arg: Argument | undefined): string | null {
  const isText = arg?.kind === 'constant' || arg?.kind === 'keyword';
  return isText && typeof arg.value === 'string' ? arg.value : null;
}
