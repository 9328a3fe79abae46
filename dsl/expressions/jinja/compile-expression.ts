import { PyTuple } from '../../yaql/values.ts';
import { dictEntries, isDict } from '../../yaql/dicts.ts';
import { YaqlError, type Explanation } from '../../yaql/errors.ts';
import { callMethod, callValue, getAttribute, getItem } from './access.ts';
import type {
  Arguments,
  CallExpression,
  CompareExpression,
  ConditionalExpression,
  Expression,
  FilterExpression,
  SliceExpression,
  TestExpression,
} from './ast.ts';
import { type CallArguments, callArguments, NO_CALL_ARGUMENTS } from './calls.ts';
import type { Environment } from './environment.ts';
import { assertionError, JinjaError, typeError } from './errors.ts';
import { explainUndefined, explainUnknown } from './explain.ts';
import { ownList, Slice, Undefined } from './objects.ts';
import { binary, compareWith, concatenate, unary } from './operators.ts';
import { iterate, newDict, sliceOf, textOf, truth, typeName } from './python.ts';
import { ENCLOSED, type Scope } from './scope.ts';

export type Evaluator = (scope: Scope) => unknown;

/**
 * A closure for the expression. `isSoft` is set where unknown filters and tests may stand as long as they are not reached: inside
 * `if` and inline `if`.
 *
 * @throws TemplateAssertionError for unknown filters and tests elsewhere.
 */
export function compileExpression(node: Expression, environment: Environment, isSoft = false): Evaluator {
  return new ExpressionCompiler(environment, isSoft).compile(node);
}

class ExpressionCompiler {
  private readonly environment: Environment;
  private readonly isSoft: boolean;

  constructor(environment: Environment, isSoft: boolean) {
    this.environment = environment;
    this.isSoft = isSoft;
  }

  compile(node: Expression): Evaluator {
    const evaluator = this.evaluator(node);
    return CAN_FAIL.has(node.kind) ? located(evaluator, node.offset) : evaluator;
  }

  private evaluator(node: Expression): Evaluator {
    switch (node.kind) {
      case 'const':
        return () => node.value;
      case 'name':
        return this.name(node.name, node.offset);
      case 'nsref':
        return this.compile({
          kind: 'getattr',
          object: { ...node, kind: 'name' },
          attribute: node.attribute,
          offset: node.offset,
        });
      case 'tuple':
      case 'list':
        return this.sequence(node.items, node.kind === 'tuple');
      case 'dict':
        return this.dict(node.pairs);
      case 'getattr':
        return this.attribute(node.object, node.attribute, node.offset);
      case 'getitem':
        return this.item(node.object, node.index);
      case 'slice':
        return this.slice(node);
      case 'call':
        return this.call(node);
      case 'filter':
        return this.filter(node);
      case 'test':
        return this.test(node);
      case 'not':
        return this.not(node.operand);
      case 'neg':
      case 'pos':
        return this.sign(node.kind, node.operand);
      case 'binary':
        return this.binary(node.operator, node.left, node.right);
      case 'and':
      case 'or':
        return this.logic(node.kind, node.left, node.right);
      case 'concat':
        return this.concat(node.parts);
      case 'compare':
        return this.compare(node);
      case 'conditional':
        return this.conditional(node);
    }
  }

  private name(name: string, offset: number): Evaluator {
    const global = this.environment.globals.get(name);
    return (scope) => {
      const own = scope.get(name);
      if (own !== undefined) return own;
      const variable = scope.runtime.variable(name);
      if (variable !== undefined) return variable;
      if (global !== undefined) return global;
      const explain = (): Explanation | null => explainUndefined(name, scope.runtime.variable('_'), this.environment);
      return new Undefined(`'${name}' is undefined`, { explain }).locate(offset);
    };
  }

  private sequence(items: readonly Expression[], isTuple: boolean): Evaluator {
    const evaluators = items.map((item) => this.compile(item));
    return (scope) => {
      const values = evaluators.map((evaluate) => evaluate(scope));
      return isTuple ? PyTuple.wrap(values) : ownList(values);
    };
  }

  private dict(pairs: readonly (readonly [Expression, Expression])[]): Evaluator {
    const evaluators = pairs.map(([key, value]) => [this.compile(key), this.compile(value)] as const);
    return (scope) => newDict(evaluators.map(([key, value]) => [key(scope), value(scope)]));
  }

  private attribute(objectNode: Expression, name: string, offset: number): Evaluator {
    const object = this.compile(objectNode);
    return (scope) => {
      const value = getAttribute(object(scope), name);
      return value instanceof Undefined ? value.locate(offset) : value;
    };
  }

  private item(objectNode: Expression, indexNode: Expression): Evaluator {
    const object = this.compile(objectNode);
    if (indexNode.kind === 'slice') {
      const slice = this.slice(indexNode);
      return (scope) => sliceOf(object(scope), slice(scope));
    }
    const index = this.compile(indexNode);
    return (scope) => getItem(object(scope), index(scope));
  }

  private slice(node: SliceExpression): (scope: Scope) => Slice {
    const [start, stop, step] = [node.start, node.stop, node.step].map((part) =>
      part === null ? () => null : this.compile(part),
    );
    return (scope) => new Slice(start?.(scope) ?? null, stop?.(scope) ?? null, step?.(scope) ?? null);
  }

  private call(node: CallExpression): Evaluator {
    const args = this.args(node.args);
    if (node.callee.kind === 'getattr') {
      const object = this.compile(node.callee.object);
      const name = node.callee.attribute;
      return (scope) => {
        const self = object(scope);
        const result = callMethod(self, name, args(scope), scope.runtime);
        if (typeof self === 'string') scope.runtime.chargeText(result, self);
        return result;
      };
    }
    const callee = this.compile(node.callee);
    return (scope) => {
      scope.runtime.spend();
      return callValue(callee(scope), args(scope), scope.runtime);
    };
  }

  private filter(node: FilterExpression): Evaluator {
    const operand = node.operand === null ? (scope: Scope) => scope.get(ENCLOSED) : this.compile(node.operand);
    const args = this.args(node.args);
    const filter = this.environment.filters.get(node.name);
    if (filter === undefined) return this.unknown('filter', node);
    return (scope) => {
      scope.runtime.spend();
      const given = operand(scope);
      const result = filter(given, args(scope), scope.runtime);
      if (typeof given === 'string') scope.runtime.chargeText(result, given);
      return result;
    };
  }

  private test(node: TestExpression): Evaluator {
    const operand = this.compile(node.operand);
    const args = this.args(node.args);
    const test = this.environment.tests.get(node.name);
    if (test === undefined) return this.unknown('test', node);
    return (scope) => {
      scope.runtime.spend();
      return test(operand(scope), args(scope), scope.runtime);
    };
  }

  private unknown(what: 'filter' | 'test', node: FilterExpression | TestExpression): Evaluator {
    const explain = (): Explanation => explainUnknown(what, node.name, this.environment);
    if (!this.isSoft) throw assertionError(`No ${what} named '${node.name}'.`, node.offset).explain(explain);
    return () => {
      throw new JinjaError('TemplateRuntimeError', `No ${what} named '${node.name}' found.`).explain(explain);
    };
  }

  private not(node: Expression): Evaluator {
    const operand = this.compile(node);
    return (scope) => !truth(operand(scope));
  }

  private sign(kind: 'neg' | 'pos', node: Expression): Evaluator {
    const operand = this.compile(node);
    return (scope) => unary(kind, operand(scope));
  }

  private binary(operator: Parameters<typeof binary>[0], leftNode: Expression, rightNode: Expression): Evaluator {
    const left = this.compile(leftNode);
    const right = this.compile(rightNode);
    return (scope) => binary(operator, left(scope), right(scope), scope.runtime);
  }

  private logic(kind: 'and' | 'or', leftNode: Expression, rightNode: Expression): Evaluator {
    const left = this.compile(leftNode);
    const right = this.compile(rightNode);
    return (scope) => {
      const value = left(scope);
      return truth(value) === (kind === 'and') ? right(scope) : value;
    };
  }

  private concat(nodes: readonly Expression[]): Evaluator {
    const parts = nodes.map((node) => this.compile(node));
    return (scope) =>
      concatenate(
        parts.map((part) => part(scope)),
        scope.runtime,
      );
  }

  /** `a < b < c` is `a < b and b < c`, with b evaluated once. */
  private compare(node: CompareExpression): Evaluator {
    const first = this.compile(node.first);
    const rest = node.rest.map(({ operator, operand }) => ({ operator, operand: this.compile(operand) }));
    return (scope) => {
      let left = first(scope);
      for (const { operator, operand } of rest) {
        const right = operand(scope);
        if (!compareWith(operator, left, right)) return false;
        left = right;
      }
      return true;
    };
  }

  private conditional(node: ConditionalExpression): Evaluator {
    const soft = this.isSoft ? this : new ExpressionCompiler(this.environment, true);
    const condition = soft.compile(node.condition);
    const then = soft.compile(node.then);
    const otherwise = node.otherwise === null ? lenientUndefined : soft.compile(node.otherwise);
    return (scope) => (truth(condition(scope)) ? then(scope) : otherwise(scope));
  }

  private args(args: Arguments): (scope: Scope) => CallArguments {
    const positional = args.positional.map((node) => this.compile(node));
    const keywords = args.keywords.map(([name, node]) => [name, this.compile(node)] as const);
    const restPositional = args.restPositional === null ? null : this.compile(args.restPositional);
    const restKeywords = args.restKeywords === null ? null : this.compile(args.restKeywords);
    if (keywords.length === 0 && restPositional === null && restKeywords === null) {
      if (positional.length === 0) return () => NO_CALL_ARGUMENTS;
      return (scope) => callArguments(positional.map((evaluate) => evaluate(scope)));
    }
    return (scope) => {
      const values = positional.map((evaluate) => evaluate(scope));
      if (restPositional !== null) values.push(...iterate(restPositional(scope)));
      const named = new Map(keywords.map(([name, evaluate]) => [name, evaluate(scope)] as const));
      if (restKeywords !== null) addKeywords(named, restKeywords(scope));
      return callArguments(values, named);
    };
  }
}

/** Where failures are worth a position. Access to attributes is too frequent, and names the attribute in its message. */
const CAN_FAIL: ReadonlySet<Expression['kind']> = new Set(['call', 'filter', 'test', 'binary', 'compare', 'concat']);

function located(evaluator: Evaluator, offset: number): Evaluator {
  return (scope) => {
    try {
      return evaluator(scope);
    } catch (error) {
      if (error instanceof JinjaError || error instanceof YaqlError) error.locate(offset);
      throw error;
    }
  };
}

function lenientUndefined(): Undefined {
  const message = 'the inline if-expression on line 1 evaluated to false and no else section was defined.';
  return new Undefined(message, { isStrict: false });
}

function addKeywords(named: Map<string, unknown>, rest: unknown): void {
  if (!isDict(rest)) throw typeError(`argument after ** must be a mapping, not ${typeName(rest)}`);
  for (const [key, value] of dictEntries(rest)) {
    const name = textOf(key);
    if (name === null) throw typeError('keywords must be strings');
    if (named.has(name)) throw typeError(`got multiple values for keyword argument '${name}'`);
    named.set(name, value);
  }
}
