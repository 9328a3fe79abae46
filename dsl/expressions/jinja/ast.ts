import type { Float } from '../../yaql/numbers.ts';

/** The tree of a template. `offset` is in UTF-16 units in the source. Node names are those of messages, lower-cased. */
export type Expression =
  | { readonly kind: 'const'; readonly value: ConstValue; readonly offset: number }
  | { readonly kind: 'name'; readonly name: string; readonly offset: number }
  | { readonly kind: 'nsref'; readonly name: string; readonly attribute: string; readonly offset: number }
  | { readonly kind: 'tuple' | 'list'; readonly items: readonly Expression[]; readonly offset: number }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [Expression, Expression])[]; readonly offset: number }
  | { readonly kind: 'getattr'; readonly object: Expression; readonly attribute: string; readonly offset: number }
  | { readonly kind: 'getitem'; readonly object: Expression; readonly index: Expression; readonly offset: number }
  | SliceExpression
  | CallExpression
  | FilterExpression
  | TestExpression
  | { readonly kind: 'not' | 'neg' | 'pos'; readonly operand: Expression; readonly offset: number }
  | BinaryExpression
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression; readonly offset: number }
  | { readonly kind: 'concat'; readonly parts: readonly Expression[]; readonly offset: number }
  | CompareExpression
  | ConditionalExpression;

export type ConstValue = null | boolean | number | bigint | Float | string;

export interface SliceExpression {
  readonly kind: 'slice';
  readonly start: Expression | null;
  readonly stop: Expression | null;
  readonly step: Expression | null;
  readonly offset: number;
}

export interface Arguments {
  readonly positional: readonly Expression[];
  readonly keywords: readonly (readonly [string, Expression])[];
  readonly restPositional: Expression | null;
  readonly restKeywords: Expression | null;
}

export interface CallExpression {
  readonly kind: 'call';
  readonly callee: Expression;
  readonly args: Arguments;
  readonly offset: number;
}

/** `operand` is null in a filter block and in `{% set x | f %}`: the body takes its place. */
export interface FilterExpression {
  readonly kind: 'filter';
  readonly operand: Expression | null;
  readonly name: string;
  readonly args: Arguments;
  readonly offset: number;
}

export interface TestExpression {
  readonly kind: 'test';
  readonly operand: Expression;
  readonly name: string;
  readonly args: Arguments;
  readonly offset: number;
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

export interface BinaryExpression {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
  readonly offset: number;
}

export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export interface CompareExpression {
  readonly kind: 'compare';
  readonly first: Expression;
  readonly rest: readonly { readonly operator: CompareOperator; readonly operand: Expression }[];
  readonly offset: number;
}

/** `otherwise` is null when there is no `else`: the value is then undefined, and not strictly so. */
export interface ConditionalExpression {
  readonly kind: 'conditional';
  readonly condition: Expression;
  readonly then: Expression;
  readonly otherwise: Expression | null;
  readonly offset: number;
}

/** What may stand left of `=` in `set`, between `for` and `in`, and in `with`. */
export type Target =
  | { readonly kind: 'name'; readonly name: string; readonly offset: number }
  | { readonly kind: 'nsref'; readonly name: string; readonly attribute: string; readonly offset: number }
  | { readonly kind: 'tuple'; readonly items: readonly Target[]; readonly offset: number };

export interface Signature {
  readonly parameters: readonly string[];
  /** Defaults belong to the last parameters. */
  readonly defaults: readonly Expression[];
}

export type Statement =
  | { readonly kind: 'text'; readonly text: string; readonly offset: number }
  | { readonly kind: 'print'; readonly value: Expression; readonly offset: number }
  | ForStatement
  | IfStatement
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression; readonly offset: number }
  | SetBlockStatement
  | WithStatement
  | MacroStatement
  | CallBlockStatement
  | { readonly kind: 'filter-block'; readonly filter: FilterExpression; readonly body: Body; readonly offset: number }
  | BlockStatement
  | { readonly kind: 'autoescape'; readonly value: Expression; readonly body: Body; readonly offset: number }
  | LoaderStatement;

export type Body = readonly Statement[];

export interface ForStatement {
  readonly kind: 'for';
  readonly target: Target;
  readonly iterable: Expression;
  readonly body: Body;
  readonly otherwise: Body;
  readonly condition: Expression | null;
  readonly recursive: boolean;
  readonly offset: number;
}

export interface IfStatement {
  readonly kind: 'if';
  readonly branches: readonly { readonly condition: Expression; readonly body: Body }[];
  readonly otherwise: Body;
  readonly offset: number;
}

export interface SetBlockStatement {
  readonly kind: 'set-block';
  readonly target: Target;
  readonly filter: FilterExpression | null;
  readonly body: Body;
  readonly offset: number;
}

export interface WithStatement {
  readonly kind: 'with';
  readonly bindings: readonly { readonly target: Target; readonly value: Expression }[];
  readonly body: Body;
  readonly offset: number;
}

export interface MacroStatement {
  readonly kind: 'macro';
  readonly name: string;
  readonly signature: Signature;
  readonly body: Body;
  readonly offset: number;
}

export interface CallBlockStatement {
  readonly kind: 'call-block';
  readonly call: CallExpression;
  readonly signature: Signature;
  readonly body: Body;
  readonly offset: number;
}

export interface BlockStatement {
  readonly kind: 'block';
  readonly name: string;
  readonly scoped: boolean;
  readonly required: boolean;
  readonly body: Body;
  readonly offset: number;
}

/** `extends`, `include`, `import`, `from … import`: they parse, and fail when they run, since there is no loader. */
export interface LoaderStatement {
  readonly kind: 'loader';
  readonly keyword: 'extends' | 'include' | 'import' | 'from';
  readonly template: Expression;
  readonly offset: number;
}
