import { add, floorDivide, modulo, multiply, negate, power, subtract, trueDivide } from '../../yaql/arithmetic.ts';
import { DateTime } from '../../yaql/date-time.ts';
import { dictEntries, isDict } from '../../yaql/dicts.ts';
import type { PyNumber } from '../../yaql/numbers.ts';
import { TimeSpan } from '../../yaql/time-span.ts';
import { PyTuple } from '../../yaql/values.ts';
import type { BinaryOperator, CompareOperator } from './ast.ts';
import { typeError } from './errors.ts';
import { Markup, ownList, Undefined } from './objects.ts';
import { formatPercent } from './percent-format.ts';
import { compare, contains, indexOf, isEqual, newDict, numberOf, textOf, toText, typeName } from './python.ts';
import type { Runtime } from './runtime.ts';
import { escapeHtml } from './text.ts';

/** Python's binary operators. @throws TypeError with Python's wording, UndefinedError. */
export function binary(operator: BinaryOperator, left: unknown, right: unknown, runtime: Runtime): unknown {
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== null && b !== null) return arithmetic(operator, a, b, runtime);
  if (left instanceof Undefined) left.fail();
  if (operator === '%' && textOf(left) !== null) return formatInto(left, right, runtime);
  if (right instanceof Undefined) right.fail();
  if (operator === '+') return plus(left, right, runtime);
  if (operator === '*') return times(left, right, runtime);
  if (operator === '-') return minus(left, right);
  throw unsupported(operator, left, right);
}

export function compareWith(operator: CompareOperator, left: unknown, right: unknown): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '<':
      return compare(left, right, operator) < 0;
    case '<=':
      return compare(left, right, operator) <= 0;
    case '>':
      return compare(left, right, operator) > 0;
    default:
      return compare(left, right, operator) >= 0;
  }
}

export function unary(kind: 'neg' | 'pos', operand: unknown): unknown {
  const value = numberOf(operand);
  if (value !== null) return kind === 'neg' ? negate(value) : value;
  if (operand instanceof Undefined) operand.fail();
  if (operand instanceof TimeSpan) return kind === 'neg' ? new TimeSpan(-operand.microseconds) : operand;
  throw typeError(`bad operand type for unary ${kind === 'neg' ? '-' : '+'}: '${typeName(operand)}'`);
}

/** `~`: the texts one after the other; escaped where output is escaped and one of them is markup. */
export function concatenate(parts: readonly unknown[], runtime: Runtime): unknown {
  const isMarkup = runtime.isEscaping && parts.some((part) => part instanceof Markup);
  const text = parts.map((part) => (isMarkup ? escaped(part) : toText(part))).join('');
  runtime.willBuild(text.length);
  return isMarkup ? new Markup(text) : text;
}

/** HTML text of a value; markup stays as it is. */
export function escaped(value: unknown): string {
  return value instanceof Markup ? value.text : escapeHtml(toText(value));
}

function arithmetic(operator: BinaryOperator, a: PyNumber, b: PyNumber, runtime: Runtime): PyNumber {
  switch (operator) {
    case '+':
      return add(a, b);
    case '-':
      return subtract(a, b);
    case '*':
      return multiply(a, b);
    case '/':
      return trueDivide(a, b);
    case '//':
      return floorDivide(a, b);
    case '%':
      return modulo(a, b);
    case '**':
      runtime.spend(100);
      return power(a, b);
  }
}

function plus(left: unknown, right: unknown, runtime: Runtime): unknown {
  const a = textOf(left);
  const b = textOf(right);
  if (a !== null && b !== null) {
    runtime.willBuild(a.length + b.length);
    if (!(left instanceof Markup) && !(right instanceof Markup)) return a + b;
    return new Markup(escaped(left) + escaped(right));
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    const isTuple = left instanceof PyTuple;
    if (isTuple === right instanceof PyTuple) {
      runtime.spend(left.length + right.length);
      return isTuple ? PyTuple.wrap([...left, ...right]) : ownList([...left, ...right]);
    }
  }
  if (left instanceof DateTime && right instanceof TimeSpan) return left.plus(right);
  if (left instanceof TimeSpan && right instanceof DateTime) return right.plus(left);
  if (left instanceof TimeSpan && right instanceof TimeSpan) {
    return new TimeSpan(left.microseconds + right.microseconds);
  }
  if (a !== null || Array.isArray(left)) {
    const name = typeName(left);
    throw typeError(`can only concatenate ${name} (not "${typeName(right)}") to ${name}`);
  }
  throw unsupported('+', left, right);
}

function minus(left: unknown, right: unknown): unknown {
  if (left instanceof DateTime && right instanceof DateTime) return new TimeSpan(left.instant - right.instant);
  if (left instanceof DateTime && right instanceof TimeSpan) return left.plus(new TimeSpan(-right.microseconds));
  if (left instanceof TimeSpan && right instanceof TimeSpan) {
    return new TimeSpan(left.microseconds - right.microseconds);
  }
  throw unsupported('-', left, right);
}

function times(left: unknown, right: unknown, runtime: Runtime): unknown {
  const isLeft = textOf(left) !== null || Array.isArray(left);
  const sequence = isLeft ? left : right;
  const factor = isLeft ? right : left;
  const text = textOf(sequence);
  if (text === null && !Array.isArray(sequence)) throw unsupported('*', left, right);
  const count = indexOf(factor);
  if (count === null) throw typeError(`can't multiply sequence by non-int of type '${typeName(factor)}'`);
  const times = Math.max(0, count);
  if (text !== null) {
    runtime.willBuild(text.length * times);
    const repeated = text.repeat(text === '' ? 0 : times);
    return sequence instanceof Markup ? new Markup(repeated) : repeated;
  }
  return repeatList(Array.isArray(sequence) ? sequence : [], times, runtime);
}

function repeatList(list: readonly unknown[], times: number, runtime: Runtime): unknown[] {
  runtime.willBuild(list.length * times, 8);
  const items: unknown[] = [];
  for (let i = 0; i < times && list.length > 0; i++) items.push(...list);
  runtime.spend(items.length);
  return list instanceof PyTuple ? PyTuple.wrap(items) : ownList(items);
}

function formatInto(left: unknown, right: unknown, runtime: Runtime): unknown {
  const format = textOf(left) ?? '';
  if (!(left instanceof Markup)) return formatPercent(format, right, runtime);
  const safe = (value: unknown): unknown => (textOf(value) === null ? value : escaped(value));
  const values =
    right instanceof PyTuple
      ? PyTuple.wrap(right.map(safe))
      : isDict(right)
        ? newDict([...dictEntries(right)].map(([key, value]) => [key, safe(value)]))
        : safe(right);
  return new Markup(formatPercent(format, values, runtime));
}

function unsupported(operator: string, left: unknown, right: unknown): Error {
  const name = operator === '**' ? '** or pow()' : operator;
  return typeError(`unsupported operand type(s) for ${name}: '${typeName(left)}' and '${typeName(right)}'`);
}
