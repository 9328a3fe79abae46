import type { Ast } from './ast.ts';
import { MappingView } from './mapping-view.ts';

export type Keyword = Ast & { readonly kind: 'keyword' };

/** The longest row of plain names at the end of a tree: `a` and `b` of `f(x).a.b`, and `f(x)` itself. */
export function namePath(node: Ast): { readonly base: Ast; readonly members: readonly Keyword[] } {
  const members: Keyword[] = [];
  let base = node;
  while (base.kind === 'binary' && base.operator === '.' && base.right.kind === 'keyword') {
    members.push(base.right);
    base = base.left;
  }
  return { base, members: members.reverse() };
}

/** The names of `$.a.b`: what most expressions of workflows are. Null for any other tree. */
export function dataPath(node: Ast): readonly string[] | null {
  const { base, members } = namePath(node);
  return base.kind === 'variable' && base.name === '$1' ? members.map(({ value }) => value) : null;
}

/**
 * What stands at the path when it leads through dicts only; undefined when a name is missing or something else lies on the way, and
 * the general rules have to say what that means. Only own keys count.
 */
export function readPath(data: unknown, names: readonly string[]): unknown {
  let value = data;
  for (let i = 0; i < names.length; i += 1) {
    if (typeof value !== 'object' || value === null) return undefined;
    const name = names[i] as string;
    // By far the commonest dict. A key `constructor` only means that the general rules are asked.
    if (value.constructor === Object) {
      if (!Object.hasOwn(value, name)) return undefined;
      value = (value as Readonly<Record<string, unknown>>)[name] ?? null;
    } else if (value instanceof MappingView) {
      value = value.get(name);
      if (value === undefined) return undefined;
    } else {
      return undefined;
    }
  }
  return value;
}
