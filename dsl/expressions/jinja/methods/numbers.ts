import { bitLength, toDouble } from '../../../yaql/arithmetic.ts';
import { type PyInteger, type PyNumber, toInteger } from '../../../yaql/numbers.ts';
import { PyTuple } from '../../../yaql/values.ts';
import { numberOf } from '../python.ts';
import { type Method, method } from './method.ts';

export const integerMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  method<unknown>('bit_length', [], (self) => {
    const bits = BigInt(integer(self));
    return typeof integer(self) === 'number' ? bitLength(integer(self)) : (bits < 0n ? -bits : bits).toString(2).length;
  }),
  method<unknown>('bit_count', [], (self) => BigInt(integer(self)).toString(2).replace(/[^1]/g, '').length),
  method<unknown>('conjugate', [], (self) => integer(self)),
  method<unknown>('as_integer_ratio', [], (self) => PyTuple.wrap([integer(self), 1])),
]);

export const floatMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  method<PyNumber>('is_integer', [], (self) => Number.isInteger(toDouble(self))),
  method<PyNumber>('conjugate', [], (self) => self),
]);

function integer(value: unknown): PyInteger {
  const number = numberOf(value) ?? 0;
  return typeof number === 'bigint' ? toInteger(number) : toDouble(number);
}
