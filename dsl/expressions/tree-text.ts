import { pyRepr } from '../yaql/python-text.ts';
import { type Argument, type Ast } from '../yaql/ast.ts';
import { findYaql, languageOf, stripped, withoutDelimiters } from './find.ts';
import type { Body, Expression, Statement } from './jinja/ast.ts';
import { bodiesOf, childrenOf as childrenOfJinja, expressionsOf } from './jinja/walk.ts';
import { templateOf } from './jinja.ts';
import { compiled } from './yaql.ts';

/**
 * The syntax trees of the expressions in a text, one node a line and children indented, for people who want to see how an expression
 * is read. No line feed at the end; empty for a text without expressions. The text is known to be sound.
 */
export function treeText(text: string): string {
  switch (languageOf(text)) {
    case 'yaql':
      return findYaql(text)
        .map(({ whole }) => lines(yaqlNode(compiled(stripped(withoutDelimiters(whole))).tree)).join('\n'))
        .join('\n');
    case 'jinja':
      return templateOf(text)
        .flatMap((statement) => lines(jinjaStatement(statement)))
        .join('\n');
    case null:
      return '';
  }
}

interface Node {
  readonly label: string;
  readonly children: readonly Node[];
}

function lines({ label, children }: Node, indent = ''): readonly string[] {
  return [indent + label, ...children.flatMap((child) => lines(child, `${indent}  `))];
}

function yaqlNode(node: Ast): Node {
  switch (node.kind) {
    case 'constant':
      return leaf(pyRepr(node.value));
    case 'keyword':
      return leaf(`word ${node.value}`);
    case 'variable':
      return leaf(node.name === '$1' ? '$' : node.name);
    case 'group':
      return yaqlNode(node.inner);
    case 'list':
      return { label: 'list', children: node.args.map(yaqlArgument) };
    case 'map':
      return { label: 'dict', children: node.args.map(yaqlArgument) };
    case 'call':
      return { label: `call ${node.name}`, children: node.args.map(yaqlArgument) };
    case 'index':
      return { label: 'index', children: [yaqlNode(node.target), ...node.args.map(yaqlArgument)] };
    case 'unary':
      return { label: node.operator, children: [yaqlNode(node.operand)] };
    case 'binary':
      return yaqlBinary(node);
  }
}

function yaqlBinary({ operator, left, right }: Ast & { readonly kind: 'binary' }): Node {
  const isMember = operator === '.' || operator === '?.';
  if (isMember && right.kind === 'keyword') return { label: `${operator}${right.value}`, children: [yaqlNode(left)] };
  if (isMember && right.kind === 'call') {
    return { label: `method ${operator}${right.name}`, children: [yaqlNode(left), ...right.args.map(yaqlArgument)] };
  }
  return { label: operator, children: [yaqlNode(left), yaqlNode(right)] };
}

function yaqlArgument(arg: Argument): Node {
  if (arg.kind === 'empty') return leaf('(default)');
  return arg.kind === 'mapping' ? { label: '=>', children: [yaqlNode(arg.key), yaqlNode(arg.value)] } : yaqlNode(arg);
}

function jinjaStatement(statement: Statement): Node {
  if (statement.kind === 'text') return leaf(`text ${pyRepr(statement.text)}`);
  const name = 'name' in statement && typeof statement.name === 'string' ? ` ${statement.name}` : '';
  return {
    label: statement.kind + name,
    children: [...expressionsOf(statement).map(jinjaNode), ...bodiesOf(statement).flatMap(bodyNodes)],
  };
}

function bodyNodes(body: Body): readonly Node[] {
  return body.length === 0 ? [] : [{ label: 'body', children: body.map(jinjaStatement) }];
}

function jinjaNode(node: Expression): Node {
  return { label: jinjaLabel(node), children: childrenOfJinja(node).map(jinjaNode) };
}

function jinjaLabel(node: Expression): string {
  switch (node.kind) {
    case 'const':
      return pyRepr(node.value);
    case 'name':
      return node.name;
    case 'getattr':
      return `.${node.attribute}`;
    case 'getitem':
      return 'index';
    case 'filter':
    case 'test':
      return `${node.kind} ${node.name}`;
    case 'binary':
      return node.operator;
    case 'compare':
      return `compare ${node.rest.map(({ operator }) => operator).join(' ')}`;
    case 'nsref':
      return `${node.name}.${node.attribute}`;
    default:
      return node.kind;
  }
}

function leaf(label: string): Node {
  return { label, children: [] };
}
