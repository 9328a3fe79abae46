import test from 'ava';
import * as fc from 'fast-check';
import {
  DateTime,
  Float,
  PyDict,
  PyList,
  PySet,
  PyTuple,
  TimeSpan,
  YaqlError,
  add,
  compareNumbers,
  compareStrings,
  divide,
  equals,
  formatFloat,
  hashKey,
  isTruthy,
  kindOf,
  modulo,
  multiply,
  parseFloatText,
  pyRepr,
  pyStr,
  roundNumber,
  subtract,
  toInteger,
  toStored,
  type PyInteger,
} from '../../dsl/yaql/index.ts';
import { randomRuns } from '../helpers/random-runs.ts';

const reprs: readonly [value: unknown, internal: string, converted: string][] = [
  [null, 'None', 'None'],
  [true, 'True', 'True'],
  [2, '2', '2'],
  [new Float(2), '2.0', '2.0'],
  [new Float(-0), '-0.0', '-0.0'],
  [1e-5, '1e-05', '1e-05'],
  [0.0001, '0.0001', '0.0001'],
  [new Float(1e16), '1e+16', '1e+16'],
  [new Float(1.5e300), '1.5e+300', '1.5e+300'],
  [new Float(123456789012345680), '1.2345678901234568e+17', '1.2345678901234568e+17'],
  [12345678901234567890n, '12345678901234567890', '12345678901234567890'],
  [Number.NaN, 'nan', 'nan'],
  [-1 / 0, '-inf', '-inf'],
  ["it's", `"it's"`, `"it's"`],
  [`it's "x"`, `'it\\'s "x"'`, `'it\\'s "x"'`],
  [
    'a\n\t\\\x00\u00a0\u200b\ue000\u{10ffff}é😀',
    "'a\\n\\t\\\\\\x00\\xa0\\u200b\\ue000\\U0010ffffé😀'",
    "'a\\n\\t\\\\\\x00\\xa0\\u200b\\ue000\\U0010ffffé😀'",
  ],
  [[], '()', '[]'],
  [[1], '(1,)', '[1]'],
  [[1, ['a']], "(1, ('a',))", "[1, ['a']]"],
  [PyList.wrap([1]), '[1]', '[1]'],
  [PyTuple.wrap([1]), '(1,)', '(1,)'],
  [{ a: 1, b: [null] }, "{'a': 1, 'b': (None,)}", "{'a': 1, 'b': [None]}"],
  [new PyDict([[1, 'x']]), "{1: 'x'}", "{1: 'x'}"],
  [new PySet([1]), 'frozenset({1})', '{1}'],
  [new PySet(), 'frozenset()', 'set()'],
];

for (const [value, internal, converted] of reprs) {
  test(`prints ${internal} inside of expressions and ${converted} around them`, (t) => {
    t.is(pyRepr(value), internal);
    t.is(pyRepr(value, { arrays: 'list' }), converted);
  });
}

test('strings print bare on their own and quoted inside of collections', (t) => {
  t.is(pyStr("it's"), "it's");
  t.is(pyStr(["it's"]), `("it's",)`);
});

const falsy = [
  null,
  undefined,
  false,
  0,
  new Float(0),
  new Float(-0),
  '',
  [],
  {},
  new PyDict(),
  new PySet(),
  TimeSpan.ZERO,
];
const truthy = [
  true,
  1,
  -1,
  0.5,
  Number.NaN,
  'false',
  [null],
  { a: null },
  new PySet([0]),
  new TimeSpan(1n),
  new DateTime(0n),
];

test('only null, false, zeros and empty values are false', (t) => {
  t.deepEqual(falsy.filter(isTruthy), []);
  t.deepEqual(
    truthy.filter((value) => !isTruthy(value)),
    [],
  );
});

test('lists and tuples are different values, and lists and mutable dicts have no hash', (t) => {
  t.false(equals([1], PyList.wrap([1])));
  t.false(equals(PyTuple.wrap([1]), [1]));
  t.true(equals(new PyDict([['a', 1]], true), { a: 1 }));
  for (const value of [PyList.wrap([1]), new PyDict([], true), [PyList.wrap([])]]) {
    t.is(t.throws(() => hashKey(value), { instanceOf: YaqlError })?.className, 'TypeError');
  }
});

test('keys of objects that mean something to JavaScript are ordinary keys', (t) => {
  const data = JSON.parse('{"__proto__": 1, "constructor": 2}') as unknown;
  t.true(
    equals(
      data,
      new PyDict([
        ['constructor', 2],
        ['__proto__', 1],
      ]),
    ),
  );
  t.deepEqual(Object.keys(toStored(new PyDict([['__proto__', { a: 1 }]])) as object), ['__proto__']);
  t.is(({} as { a?: unknown }).a, undefined);
});

test('results are stored with string keys, arrays for sets, and dates without their zone', (t) => {
  const date = new DateTime(0n, new TimeSpan(3_600_000_000n));
  const stored = toStored(
    new PyDict([
      [2, new PySet(['a'])],
      [1.5, date],
      [true, null],
      [null, new Float(2)],
    ]),
  );
  t.deepEqual(stored, { '2': ['a'], '1.5': '1970-01-01T00:00:00.000000', true: null, null: new Float(2) });
  t.is(t.throws(() => toStored([new TimeSpan(1n)]), { instanceOf: YaqlError })?.className, 'TypeError');
});

test('values are equal exactly when their hash keys are the same', (t) => {
  const scalar = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      1,
      -1,
      1.5,
      new Float(1),
      new Float(-0),
      2n ** 60n,
      new Float(2 ** 60),
      '',
      'a',
      '1',
      '\0',
      '\0sa',
      '\0t(n1,)',
    ),
    fc.string({ maxLength: 2 }),
  );
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.string({ maxLength: 1 }), tie('value'), { maxKeys: 2 }),
      fc.array(fc.tuple(scalar, tie('value')), { maxLength: 2 }).map((entries) => new PyDict(entries)),
      fc.array(scalar, { maxLength: 3 }).map((members) => new PySet(members)),
    ),
  })).value;
  fc.assert(
    fc.property(value, value, (a, b) => {
      t.is(equals(a, b), hashKey(a) === hashKey(b), `${pyRepr(a)} and ${pyRepr(b)}`);
      t.is(equals(a, b), equals(b, a));
    }),
    { numRuns: randomRuns(400) },
  );
});

test('strings are ordered by code point', (t) => {
  const byPoints = (a: string, b: string) => {
    const [left, right] = [Array.from(a), Array.from(b)].map((chars) => chars.map((char) => char.codePointAt(0) ?? 0));
    for (let i = 0; i < Math.min(left?.length ?? 0, right?.length ?? 0); i += 1) {
      if (left?.[i] !== right?.[i]) return Math.sign((left?.[i] ?? 0) - (right?.[i] ?? 0));
    }
    return Math.sign((left?.length ?? 0) - (right?.length ?? 0));
  };
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\ue000', '\uffff', '😀', '\u{10ffff}') });
  fc.assert(fc.property(text, text, (a, b) => Math.sign(compareStrings(a, b)) === byPoints(a, b)));
  t.pass();
});

const integer = fc
  .oneof(
    fc.integer(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n)),
  )
  .map((n) => toInteger(BigInt(n)));

test('integer arithmetic is exact at any size', (t) => {
  fc.assert(
    fc.property(integer, integer, (a, b) => {
      t.is(add(a, b), toInteger(BigInt(a) + BigInt(b)));
      t.is(subtract(a, b), toInteger(BigInt(a) - BigInt(b)));
      t.is(multiply(a, b), toInteger(BigInt(a) * BigInt(b)));
      t.is(Math.sign(compareNumbers(a, b)), BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0);
    }),
  );
});

test('division rounds down and the remainder has the sign of the divisor', (t) => {
  fc.assert(
    fc.property(
      integer,
      integer.filter((n) => n !== 0),
      (a, b) => {
        const [quotient, remainder] = [divide(a, b) as PyInteger, modulo(a, b) as PyInteger];
        t.is(BigInt(quotient) * BigInt(b) + BigInt(remainder), BigInt(a));
        t.true(remainder === 0 || remainder < 0 === b < 0);
        t.true(b < 0 ? remainder > b : remainder < b);
      },
    ),
  );
});

test('a float prints as text that reads back as the same float', (t) => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      const text = formatFloat(value);
      t.regex(text, /^(nan|-?inf|-?\d+(\.\d+)?(e[+-]\d{2,3})?)$/);
      t.is(Number(parseFloatText(text)), value);
    }),
  );
});

const roundings: readonly [value: number | Float, digits: number, result: number | Float][] = [
  [2.5, 0, new Float(2)],
  [3.5, 0, new Float(4)],
  [2.675, 2, 2.67],
  [0.125, 2, 0.12],
  [1.25, 1, 1.2],
  [new Float(1250), -2, new Float(1200)],
  [1e-10, 5, new Float(0)],
];

for (const [value, digits, result] of roundings) {
  test(`rounds ${value} to ${digits} digits as ${result}`, (t) => {
    t.deepEqual(roundNumber(value, digits), result);
  });
}

test('kinds tell integers from integral floats and booleans from numbers', (t) => {
  t.deepEqual([1, 2n ** 60n, new Float(1), 1.5, true, null, {}, [], new PySet(), () => {}].map(kindOf), [
    'integer',
    'integer',
    'float',
    'float',
    'boolean',
    'null',
    'dict',
    'list',
    'set',
    'opaque',
  ]);
});
