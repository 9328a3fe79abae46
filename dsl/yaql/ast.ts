/** The syntax tree of an expression. Positions are code-point offsets of the token that makes the node. */
export type Ast =
  | { readonly kind: 'constant'; readonly value: unknown; readonly position: number }
  /** A bare word: a string that can also name a property or a keyword argument. */
  | { readonly kind: 'keyword'; readonly value: string; readonly position: number }
  /** `name` includes the `$`; `$` itself is `$1`. */
  | { readonly kind: 'variable'; readonly name: string; readonly position: number }
  | { readonly kind: 'group'; readonly inner: Ast; readonly position: number }
  | { readonly kind: 'list'; readonly args: readonly Argument[]; readonly position: number }
  | { readonly kind: 'map'; readonly args: readonly Argument[]; readonly position: number }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Argument[]; readonly position: number }
  | { readonly kind: 'index'; readonly target: Ast; readonly args: readonly Argument[]; readonly position: number }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Ast; readonly position: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Ast;
      readonly right: Ast;
      readonly position: number;
    };

/** What stands between commas: a value, `key => value`, or nothing (the parameter's default). */
export type Argument =
  | Ast
  | { readonly kind: 'mapping'; readonly key: Ast; readonly value: Ast; readonly position: number }
  | { readonly kind: 'empty' };

export type UnaryOperator = 'not' | '+' | '-';
export type BinaryOperator =
  | '->'
  | 'or'
  | 'and'
  | '>'
  | '<'
  | '>='
  | '<='
  | '!='
  | '='
  | 'in'
  | '+'
  | '-'
  | '*'
  | '/'
  | 'mod'
  | '=~'
  | '!~'
  | '.'
  | '?.';

/** The nodes directly below a node, in the order of the text. */
export function childrenOf(node: Ast): readonly Ast[] {
  switch (node.kind) {
    case 'constant':
    case 'keyword':
    case 'variable':
      return [];
    case 'group':
      return [node.inner];
    case 'list':
    case 'map':
    case 'call':
      return argumentNodes(node.args);
    case 'index':
      return [node.target, ...argumentNodes(node.args)];
    case 'unary':
      return [node.operand];
    case 'binary':
      return [node.left, node.right];
  }
}

function argumentNodes(args: readonly Argument[]): Ast[] {
  return args.flatMap((arg) => {
    if (arg.kind === 'empty') return [];
    return arg.kind === 'mapping' ? [arg.key, arg.value] : [arg];
  });
}
