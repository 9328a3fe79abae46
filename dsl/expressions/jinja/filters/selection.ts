import { callArguments, type CallArguments } from '../calls.ts';
import { attributeGetter } from '../attribute-path.ts';
import type { Filter } from '../environment.ts';
import { filterArgumentError, JinjaError } from '../errors.ts';
import { iterate, lazily, repr, textOf, truth } from '../python.ts';
import type { Runtime } from '../runtime.ts';

/** `map` and the four filters that choose items by a test. All are lazy. */
export const selectionFilters: readonly [string, Filter][] = [
  ['map', (value, args, runtime) => lazily(map(value, args, runtime))],
  ['select', (value, args, runtime) => lazily(choose(value, args, runtime, { keep: true, byAttribute: false }))],
  ['reject', (value, args, runtime) => lazily(choose(value, args, runtime, { keep: false, byAttribute: false }))],
  ['selectattr', (value, args, runtime) => lazily(choose(value, args, runtime, { keep: true, byAttribute: true }))],
  ['rejectattr', (value, args, runtime) => lazily(choose(value, args, runtime, { keep: false, byAttribute: true }))],
];

function* map(value: unknown, args: CallArguments, runtime: Runtime): Generator<unknown> {
  if (!truth(value)) return;
  const change = mapper(args, runtime);
  for (const item of iterate(value)) {
    runtime.spend();
    yield change(item);
  }
}

function mapper(args: CallArguments, runtime: Runtime): (item: unknown) => unknown {
  if (args.positional.length === 0 && args.keywords.has('attribute')) {
    const extra = [...args.keywords.keys()].find((name) => name !== 'attribute' && name !== 'default');
    if (extra !== undefined) throw filterArgumentError(`Unexpected keyword argument ${repr(extra)}`);
    return attributeGetter(args.keywords.get('attribute'), args.keywords.get('default') ?? null);
  }
  if (args.positional.length === 0) throw filterArgumentError('map requires a filter argument');
  const filter = named('filter', args.positional[0], runtime.environment.filters);
  const rest = callArguments(args.positional.slice(1), args.keywords);
  return (item) => filter(item, rest, runtime);
}

interface Choice {
  readonly keep: boolean;
  readonly byAttribute: boolean;
}

function* choose(value: unknown, args: CallArguments, runtime: Runtime, choice: Choice): Generator<unknown> {
  if (!truth(value)) return;
  const accepts = acceptor(args, runtime, choice);
  for (const item of iterate(value)) {
    runtime.spend();
    if (accepts(item) === choice.keep) yield item;
  }
}

function acceptor(
  { positional, keywords }: CallArguments,
  runtime: Runtime,
  choice: Choice,
): (item: unknown) => boolean {
  if (choice.byAttribute && positional.length === 0) {
    throw filterArgumentError('Missing parameter for attribute name');
  }
  const get = choice.byAttribute ? attributeGetter(positional[0]) : (item: unknown) => item;
  const [name, ...rest] = choice.byAttribute ? positional.slice(1) : positional;
  if (name === undefined) return (item) => truth(get(item));
  const test = named('test', name, runtime.environment.tests);
  const args = callArguments(rest, keywords);
  return (item) => test(get(item), args, runtime);
}

function named<Found>(what: string, name: unknown, table: ReadonlyMap<string, Found>): Found {
  const text = textOf(name);
  const found = text === null ? undefined : table.get(text);
  if (found === undefined) throw new JinjaError('TemplateRuntimeError', `No ${what} named ${repr(name)}.`);
  return found;
}
