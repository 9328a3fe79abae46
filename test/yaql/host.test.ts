import test from 'ava';
import {
  Context,
  Float,
  type Lambda,
  MappingView,
  PyDict,
  PyIterator,
  PySet,
  YaqlError,
  createContext,
  defineFunction,
  equals,
  parse,
  type Options,
} from '../../dsl/yaql/index.ts';

test('a host function gets its arguments by position, by camelCase keyword, and by default', (t) => {
  const context = createContext().registerFunction(
    defineFunction({
      name: 'host_fn',
      parameters: [
        { name: 'first', type: 'int' },
        { name: 'second_one', default: 'd' },
        { name: 'third', default: null },
      ],
      body: (_context, ...args) => args,
    }),
  );
  const evaluate = (text: string) => parse(text).evaluate(null, context);
  t.deepEqual(evaluate('host_fn(1)'), [1, 'd', null]);
  t.deepEqual(evaluate('host_fn(1, 2, 3)'), [1, 2, 3]);
  t.deepEqual(evaluate('host_fn(third => 3, first => true)'), [1, 'd', 3]);
  t.deepEqual(evaluate('host_fn(1,, 3)'), [1, 'd', 3]);
  t.deepEqual(evaluate('host_fn(1, secondOne => 2)'), [1, 2, null]);
  for (const wrong of [
    'host_fn()',
    'host_fn("1")',
    'host_fn(1, 2, 3, 4)',
    'host_fn(1, second_one => 2)',
    'hostFn(1)',
  ]) {
    t.regex(t.throws(() => evaluate(wrong), { instanceOf: YaqlError })?.className ?? '', /^No/);
  }
});

test('rest, keyword and lambda parameters arrive as array, map and unevaluated', (t) => {
  const context = createContext()
    .registerFunction(
      defineFunction({
        name: 'spy',
        parameters: [
          { name: 'args', role: 'rest' },
          { name: 'named', role: 'keywords' },
        ],
        body: (_context, args, named) => [args, [...(named as Map<string, unknown>)]],
      }),
    )
    .registerFunction(
      defineFunction({
        name: 'twice',
        form: 'method',
        parameters: [{ name: 'value' }, { name: 'change', type: 'lambda' }],
        body: (_context, value, change) => (change as Lambda).call1((change as Lambda).call1(value)),
      }),
    );
  t.deepEqual(parse('spy(1, a => 2, b => 3)').evaluate(null, context), [
    [1],
    [
      ['a', 2],
      ['b', 3],
    ],
  ]);
  t.is(parse('let(x => 10) -> 5.twice($ * $x)').evaluate(null, context), 500);
});

test('a host may replace functions and operators of the library', (t) => {
  const plus = defineFunction({
    name: '#operator_+',
    parameters: [
      { name: 'left', type: 'string' },
      { name: 'right', type: 'string' },
    ],
    body: (_context, left, right) => `${String(left)}&${String(right)}`,
  });
  const context = createContext().registerFunction(plus);
  const sum = parse('a + b');
  t.is(sum.evaluate(null), 'ab');
  t.is(sum.evaluate(null, context), 'a&b');
  t.is(parse('[a, b, c].sum()').evaluate(null, context), 'a&b&c');
  t.is(parse('1 + 2').evaluate(null, context), 3, 'the library still has the other overloads');
  t.is(sum.evaluate(null), 'ab', 'other contexts do not see it');
});

test('a function registered later is found, also by an expression that was evaluated before', (t) => {
  const context = createContext().registerFunction(defineFunction({ name: 'one', body: () => 1 }));
  const inner = context.child();
  const call = parse('late()');
  t.throws(() => call.evaluate(null, inner), { instanceOf: YaqlError, message: 'Unknown function "late"' });
  context.registerFunction(defineFunction({ name: 'late', body: () => 2 }));
  t.is(call.evaluate(null, inner), 2);
});

test('what a host function throws leaves the evaluation as it is', (t) => {
  class LookupNeeded {
    readonly id = 7;
  }
  const context = createContext().registerFunction(
    defineFunction({
      name: 'load',
      body: () => {
        throw new LookupNeeded();
      },
    }),
  );
  for (const text of [
    'load()',
    '[1].select(load())',
    '[1].groupBy($, $, load())',
    'def(f, load()) -> f()',
    'coalesce(load(), 1)',
  ]) {
    try {
      parse(text).evaluate(null, context);
      t.fail();
    } catch (error) {
      t.true(error instanceof LookupNeeded, text);
    }
  }
});

test('a mapping view is a dict whose entries are read only when they are asked for', (t) => {
  const asked: string[] = [];
  class View extends MappingView {
    get(key: string): unknown {
      asked.push(key);
      return key === 'inner' ? new View() : key === 'a' ? 1 : undefined;
    }
    has(key: string): boolean {
      return key === 'a' || key === 'inner';
    }
    keys(): Iterable<string> {
      return ['a'];
    }
  }
  const evaluate = (text: string) => parse(text).evaluate(new View());
  t.is(evaluate('$.inner.inner.a'), 1);
  t.deepEqual(asked, ['inner', 'inner', 'a']);
  t.deepEqual(evaluate('$'), { a: 1 });
  t.is(evaluate('$.get(nope, 5)'), 5);
  t.deepEqual(evaluate('$ + {b => 2}'), { a: 1, b: 2 });
  t.is(evaluate('$ = {a => 1}'), true);
  t.throws(() => evaluate('$.nope'), { instanceOf: YaqlError, message: "'nope'" });
});

test('data is neither changed nor copied', (t) => {
  const data = freeze({ list: [3, 1, 2], inner: { a: [1] } });
  const evaluate = (text: string) => parse(text).evaluate(data);
  t.is(evaluate('$.inner'), data.inner);
  t.is(evaluate('$'), data);
  t.deepEqual(
    evaluate(
      '[$.list.orderBy($), $.list.insert(0, 9), $.inner.set(b, 1), $.inner.delete(a), $.mergeWith({inner => {c => 1}})]',
    ),
    [[1, 2, 3], [9, 3, 1, 2], { a: [1], b: 1 }, {}, { list: [3, 1, 2], inner: { a: [1], c: 1 } }],
  );
});

test('members that JavaScript objects inherit are not in the data', (t) => {
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'length']) {
    t.is(t.throws(() => parse(`$['${name}']`).evaluate({}), { instanceOf: YaqlError })?.className, 'KeyError');
    t.is(parse(`$.containsKey('${name}')`).evaluate({}), false);
  }
  t.deepEqual(parse('$.length').evaluate([]), [], 'a property of a list is that of its items');
});

test('a path reads own keys only, through dicts of every kind, and says where it broke off', (t) => {
  class View extends MappingView {
    get(key: string): unknown {
      return key === 'row' ? { constructor: { name: 1 }, none: undefined, list: [{ x: 1 }, { x: 2 }] } : undefined;
    }
    has(key: string): boolean {
      return key === 'row';
    }
    keys(): Iterable<string> {
      return ['row'];
    }
  }
  const bare = Object.assign(Object.create(null), { row: { x: new PyDict([['y', 3]]) } }) as unknown;
  const own = JSON.parse('{"constructor": {"__proto__": {"x": 4}}}') as unknown;
  const evaluate = (text: string, data: unknown) => parse(text).evaluate(data);
  t.is(evaluate('$.row.constructor.name', new View()), 1);
  t.is(evaluate('$.row.none', new View()), null);
  t.deepEqual(evaluate('$.row.list.x', new View()), [1, 2]);
  t.is(evaluate('$.row.x.y', bare), 3);
  t.is(evaluate('$.constructor.__proto__.x'.replace('.__proto__', '["__proto__"]'), own), 4);
  t.deepEqual(parse('$.a.b').evaluate({ a: { b: [1, 2] } }, undefined, { convertOutputData: false }), [1, 2]);
  t.throws(() => parse('$.a.b').evaluate({ a: { b: [1, 2] } }, undefined, { limitIterators: 1 }), {
    message: 'Collection length exceeds 1 elements',
  });
  t.is(
    parse('$.a.b').evaluate({ a: { b: 1 } }, () => t.fail('no scope is needed') as never),
    1,
  );
  for (const [text, data, position, className] of [
    ['$.one.two.three', { one: {} }, 6, 'KeyError'],
    ['[$.one.toString.name]', { one: {} }, 7, 'KeyError'],
    ['$.one.two.three', { one: null }, 6, 'NoFunctionRegisteredException'],
    ['$.one.two.three', { one: { two: 'text' } }, 10, 'NoFunctionRegisteredException'],
  ] as const) {
    const error = t.throws(() => evaluate(text, data), { instanceOf: YaqlError });
    t.like(error, { position, className }, text);
  }
});

test('results keep integers and floats apart and use classes where JSON has no value', (t) => {
  const evaluate = (text: string) => parse(text).evaluate(null);
  t.deepEqual(evaluate('[1, 1.0, 1.5, 9007199254740993]'), [1, new Float(1), 1.5, 9007199254740993n]);
  t.true(evaluate('set(1)') instanceof PySet);
  t.true(evaluate('{1 => a}') instanceof PyDict);
  t.true(equals(evaluate('{1 => a}'), new PyDict([[1, 'a']])));
  t.true(parse('range(3)').evaluateRaw(null) instanceof PyIterator);
  t.true(parse('let(a => 1)').evaluate(null) instanceof Context);
});

test('variables of the context are seen, and $ is the data', (t) => {
  const context = createContext().set('env', { a: 1 }).set('$x', 2);
  t.deepEqual(parse('[$env.a, $x, $.d, $nothing]').evaluate({ d: 3 }, context), [1, 2, 3, null]);
  t.is(parse('$').evaluate(undefined, context), null);
});

const guarded: readonly [text: string, options: Options, className: string][] = [
  ['sequence()', { maxSteps: 1000 }, 'LimitExceededException'],
  ['sequence().len()', { maxSteps: 1000 }, 'LimitExceededException'],
  ['sequence().where($ < 0).first()', { maxSteps: 1000 }, 'LimitExceededException'],
  ['1.repeat().toList()', { maxSteps: 1000 }, 'LimitExceededException'],
  ['[1].cycle().distinct()', { maxSteps: 1000 }, 'LimitExceededException'],
  ['generateMany(1, [$, $]).last()', { maxSteps: 1000 }, 'LimitExceededException'],
  ['sequence()', { maxSteps: 1e9, timeLimit: 20 }, 'LimitExceededException'],
  ['"a" * 100000000000', {}, 'LimitExceededException'],
  ['[0] * 100000000000', {}, 'LimitExceededException'],
  ['("a" * 10000).replace("", "b" * 10000)', {}, 'LimitExceededException'],
  ['([("a" * 10000000)] * 10).join("")', {}, 'LimitExceededException'],
  ['regex("").replace("a" * 10000, "b" * 10000)', {}, 'LimitExceededException'],
  ['concat("a" * 15000000, "b" * 15000000)', {}, 'LimitExceededException'],
  ['pow(10, pow(10, 9))', {}, 'OverflowError'],
  ['shiftBitsLeft(1, pow(10, 12))', {}, 'OverflowError'],
  ['def(f, f($)) -> f(1)', {}, 'RecursionError'],
  ['def(f, [$].select(f($)).first()) -> f(1)', {}, 'RecursionError'],
  ['def(f, f($ + 1)) -> f(1)', { maxDepth: 10 }, 'RecursionError'],
  ['range(100)', { limitIterators: 10 }, 'CollectionTooLargeException'],
  ['sequence().memorize().where($ < 0)', { memoryQuota: 10_000 }, 'MemoryQuotaExceededException'],
];

for (const [text, options, className] of guarded) {
  test(`${text} with ${JSON.stringify(options)} ends as ${className}`, (t) => {
    t.is(
      t.throws(() => parse(text).evaluate(null, undefined, options), { instanceOf: YaqlError })?.className,
      className,
    );
  });
}

test('after a guard has struck, the same expression works with more room', (t) => {
  const expression = parse('def(f, switch($ = 0 => done, true => f($ - 1))) -> f(50)');
  t.throws(() => expression.evaluate(null, undefined, { maxDepth: 10 }), { instanceOf: YaqlError });
  t.is(expression.evaluate(null, undefined, { maxDepth: 100 }), 'done');
});

test('deeply nested data is a result or a RecursionError', (t) => {
  let data: unknown = 1;
  for (let i = 0; i < 100_000; i += 1) data = [data];
  for (const text of ['$', '$ = 1', 'str($)', 'set($)', '$.flatten()']) {
    try {
      parse(text).evaluate(data);
      t.pass();
    } catch (error) {
      t.is((error as YaqlError).className, 'RecursionError', text);
    }
  }
});

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(freeze);
  return Object.freeze(value);
}
