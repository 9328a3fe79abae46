import { childrenOf, type Argument, type Ast } from './ast.ts';
import type { Context } from './context.ts';
import type { YaqlError } from './errors.ts';
import { CallSite, EMPTY, type SiteArgument } from './overloads.ts';

/**
 * Calls that fail whenever they are evaluated, whatever the data: unknown functions, and numbers, names and literals of arguments
 * that no overload takes. The errors are those of the evaluation, with position and explanation, in the order of the text.
 */
export function certainErrors(tree: Ast, context: Context): readonly YaqlError[] {
  const errors: YaqlError[] = [];
  // What `def` makes known can be called anywhere inside of its scope.
  if (!calls(tree, 'def')) collect(tree, 'function', context, errors);
  return errors.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
}

function collect(node: Ast, form: 'function' | 'method', context: Context, errors: YaqlError[]): void {
  if (node.kind === 'call') {
    const error = new CallSite(node.name, form, node.args.map(siteArgument), node.position).certainError(context);
    if (error !== null) errors.push(error);
  }
  const isMember = node.kind === 'binary' && (node.operator === '.' || node.operator === '?.');
  for (const child of childrenOf(node)) {
    collect(child, isMember && child === node.right ? 'method' : 'function', context, errors);
  }
}

/** Only the shape: nothing is evaluated. */
function siteArgument(arg: Argument): SiteArgument {
  switch (arg.kind) {
    case 'empty':
      return { code: () => EMPTY, empty: true };
    case 'mapping': {
      const word = arg.key.kind === 'keyword' ? arg.key.value : null;
      return { code: unevaluated, mapping: { word, key: unevaluated, value: siteArgument(arg.value) } };
    }
    case 'constant':
    case 'keyword':
      return { code: unevaluated, constant: { value: arg.value } };
    default:
      return { code: unevaluated };
  }
}

const unevaluated = (): null => null;

function calls(node: Ast, name: string): boolean {
  return (node.kind === 'call' && node.name === name) || childrenOf(node).some((child) => calls(child, name));
}
