import { bind, type CallArguments } from './calls.ts';
import { entriesOf } from './dict-entries.ts';
import { JinjaError, typeError, valueError } from './errors.ts';
import { Callable, JinjaObject, Namespace, NativeFunction, Range } from './objects.ts';
import { loremIpsum } from './lorem-ipsum.ts';
import { newDict, toIndex, toText, truth } from './python.ts';
import type { Runtime } from './runtime.ts';

/** The functions every template has. */
export const standardGlobals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['range', new NativeFunction('range', (args) => range(args))],
  ['dict', new NativeFunction('dict', (args) => newDict(entriesOf('dict', args)))],
  ['namespace', new NativeFunction('namespace', (args) => namespace(args))],
  ['cycler', new NativeFunction('cycler', (args) => new Cycler(args))],
  ['joiner', new NativeFunction('joiner', (args) => new Joiner(args))],
  ['lipsum', new NativeFunction('lipsum', (args, runtime) => lipsum(args, runtime))],
]);

/** More items than this are refused by the sandbox. */
const MAX_RANGE = 100_000;

function range(args: CallArguments): Range {
  const { positional } = args;
  if (args.keywords.size > 0) throw typeError('range() takes no keyword arguments');
  if (positional.length === 0) throw typeError('range expected at least 1 argument, got 0');
  if (positional.length > 3) throw typeError(`range expected at most 3 arguments, got ${positional.length}`);
  const [first = 0, second, step = 1] = positional.map(toIndex);
  if (step === 0) throw valueError('range() arg 3 must not be zero');
  const result = second === undefined ? new Range(0, first, 1) : new Range(first, second, step);
  if (result.length > MAX_RANGE) {
    throw new JinjaError(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    );
  }
  return result;
}

function namespace(args: CallArguments): Namespace {
  const result = new Namespace();
  for (const [key, value] of entriesOf('namespace', args)) result.attributes.set(toText(key), value);
  return result;
}

/** Goes round its items, one at each `next()`. */
class Cycler extends JinjaObject {
  readonly typeName = 'Cycler';
  private readonly items: readonly unknown[];
  private position = 0;

  constructor(args: CallArguments) {
    super();
    if (args.positional.length === 0) throw new JinjaError('RuntimeError', 'at least one item has to be provided');
    this.items = args.positional;
  }

  override attribute(name: string): unknown {
    if (name === 'current') return this.items[this.position];
    if (name === 'pos') return this.position;
    if (name === 'next') return new NativeFunction('next', () => this.next());
    return name === 'reset' ? new NativeFunction('reset', () => this.reset()) : undefined;
  }

  private next(): unknown {
    const item = this.items[this.position];
    this.position = (this.position + 1) % this.items.length;
    return item;
  }

  private reset(): null {
    this.position = 0;
    return null;
  }
}

/** Empty at its first call, the separator from then on. */
class Joiner extends Callable {
  override readonly typeName = 'Joiner';
  private readonly separator: unknown;
  private isUsed = false;

  constructor(args: CallArguments) {
    super();
    this.separator = bind('joiner', [['sep', ', ']], args)[0];
  }

  call(): unknown {
    if (this.isUsed) return this.separator;
    this.isUsed = true;
    return '';
  }
}

function lipsum(args: CallArguments, runtime: Runtime): string {
  const parameters = [
    ['n', 5],
    ['html', true],
    ['min', 20],
    ['max', 100],
  ] as const;
  const [count, html, least, most] = bind('lipsum', parameters, args);
  runtime.checkSize(toIndex(count) * toIndex(most) * 12);
  return loremIpsum({ paragraphs: toIndex(count), isHtml: truth(html), least: toIndex(least), most: toIndex(most) });
}
