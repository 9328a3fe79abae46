import { childrenOf, type Ast } from './ast.ts';

/** A function called in an expression, as far as its text tells. */
export interface CallReference {
  readonly name: string;
  readonly method: boolean;
  /** The positional arguments that are constants; undefined for those that are not, or are left out. */
  readonly args: readonly unknown[];
  /** Named arguments, with the same meaning. */
  readonly named: Readonly<Record<string, unknown>>;
  readonly position: number;
}

/** A variable with the bare words read from it: `$.a.b` is `$1` with `a`, `b`; `$x.c` is `$x` with `c`. */
export interface PathReference {
  readonly variable: string;
  /** Where the path stops being constant, it stops. */
  readonly path: readonly string[];
  /**
   * True when `$` here may be something else than the data: inside of an argument, where a lambda could have bound it, or behind `->`.
   */
  readonly rebound: boolean;
  readonly position: number;
}

export interface References {
  readonly paths: readonly PathReference[];
  readonly calls: readonly CallReference[];
}

/** What an expression names: variables with their paths, and functions with their constant arguments. */
export function references(tree: Ast): References {
  const paths: PathReference[] = [];
  const calls: CallReference[] = [];
  const visit = (node: Ast, rebound: boolean): void => {
    const path = pathOf(node);
    if (path) {
      paths.push({ ...path, rebound });
      return;
    }
    if (node.kind === 'call') {
      calls.push(callOf(node, false));
      for (const child of childrenOf(node)) visit(child, true);
    } else if (node.kind === 'binary' && (node.operator === '.' || node.operator === '?.')) {
      visit(node.left, rebound);
      if (node.right.kind === 'call') {
        calls.push(callOf(node.right, true));
        for (const child of childrenOf(node.right)) visit(child, true);
      } else if (node.right.kind !== 'keyword') visit(node.right, rebound);
    } else if (node.kind === 'binary' && node.operator === '->') {
      visit(node.left, rebound);
      visit(node.right, true);
    } else {
      for (const child of childrenOf(node)) visit(child, rebound);
    }
  };
  visit(tree, false);
  return { paths, calls };
}

/** `$x`, `$x.a.b`, `$x['a']`, `$x.get(a)`, each possibly with `?.`; null for anything else. */
function pathOf(node: Ast): Omit<PathReference, 'rebound'> | null {
  if (node.kind === 'variable') return { variable: node.name, path: [], position: node.position };
  if (node.kind === 'group') return pathOf(node.inner);
  if (node.kind === 'index') {
    const [key] = node.args;
    return node.args.length === 1 && key ? extended(node.target, constantString(key)) : null;
  }
  if (node.kind !== 'binary' || (node.operator !== '.' && node.operator !== '?.')) return null;
  if (node.right.kind === 'keyword') return extended(node.left, node.right.value);
  if (node.right.kind !== 'call' || node.right.name !== 'get' || node.right.args.length !== 1) return null;
  return extended(node.left, constantString(node.right.args[0]));
}

function extended(base: Ast, key: string | null): Omit<PathReference, 'rebound'> | null {
  const path = key === null ? null : pathOf(base);
  return path && key !== null ? { ...path, path: [...path.path, key] } : null;
}

function constantString(arg: { readonly kind: string; readonly value?: unknown } | undefined): string | null {
  if (arg?.kind !== 'constant' && arg?.kind !== 'keyword') return null;
  return typeof arg.value === 'string' ? arg.value : null;
}

function callOf(node: Ast & { readonly kind: 'call' }, method: boolean): CallReference {
  const args: unknown[] = [];
  const named: Record<string, unknown> = {};
  for (const arg of node.args) {
    if (arg.kind === 'mapping') {
      if (arg.key.kind === 'keyword') named[arg.key.value] = constantValue(arg.value);
    } else args.push(arg.kind === 'empty' ? undefined : constantValue(arg));
  }
  return { name: node.name, method, args, named, position: node.position };
}

function constantValue(node: Ast): unknown {
  return node.kind === 'constant' || node.kind === 'keyword' ? node.value : undefined;
}
