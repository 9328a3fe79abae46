import { parentPort } from 'node:worker_threads';
import { jsonOfValue } from '../javascript/plain-json.ts';
import type { DescribedExport, ModuleContext, ModuleOutcome, ModuleRequest } from './protocol.ts';

/** The thread that a module's code runs in. Its process watches over it: see module-child.ts. */

/** Either a class whose objects have `run(context)`, or a function of input and context. */
interface Exported {
  (input: Input, context: ModuleContext): unknown;
  new (input: Input): { run(context: ModuleContext): unknown };
  readonly prototype?: { readonly run?: unknown };
  readonly description?: unknown;
  readonly input?: unknown;
  readonly isSync?: unknown;
}

type Input = Record<string, unknown>;
type Declared = NonNullable<DescribedExport['input']>;

parentPort?.on('message', (text: string) => {
  void answer(JSON.parse(text) as ModuleRequest).then((outcome) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
    parentPort?.postMessage(JSON.stringify(outcome));
  });
});

async function answer(request: ModuleRequest): Promise<ModuleOutcome> {
  try {
    const actions = await actionsOf(request.content);
    if (request.kind === 'describe')
      return { kind: 'described', exports: [...actions].map(([name, exported]) => describe(name, exported)) };
    const exported = actions.get(request.className);
    if (exported === undefined) {
      const known = [...actions.keys()].join(', ') || 'none';
      return { kind: 'raised', message: `The code has no action '${request.className}'; its actions: ${known}` };
    }
    return { kind: 'value', json: jsonOfValue(await run(exported, request)) };
  } catch (error) {
    return failure(error);
  }
}

/** The exports that can be actions. A module is loaded once: a process serves one version of one code source. */
async function actionsOf(content: string): Promise<ReadonlyMap<string, Exported>> {
  const url = `data:text/javascript;base64,${Buffer.from(content, 'utf8').toString('base64')}`;
  const module = (await import(url)) as Readonly<Record<string, unknown>>;
  return new Map(Object.entries(module).filter((entry): entry is [string, Exported] => typeof entry[1] === 'function'));
}

function describe(name: string, exported: Exported): DescribedExport {
  return {
    name,
    description: typeof exported.description === 'string' ? exported.description : null,
    input: declaredInput(name, exported),
    isAsync: exported.isSync === false,
  };
}

function declaredInput(name: string, { input }: Exported): Declared | null {
  if (input === undefined) return null;
  const isParameter = (one: unknown): one is Declared[number] =>
    typeof one === 'string' || (typeof one === 'object' && one !== null && Object.keys(one).length === 1);
  if (Array.isArray(input) && input.every(isParameter)) return input;
  throw new TypeError(`'${name}.input' should be a list of names and {name: default}, as in the workflow language.`);
}

function run(exported: Exported, { className, input, context }: ModuleRequest & { readonly kind: 'run' }): unknown {
  const given = JSON.parse(input) as Input;
  const whole: Input = { ...defaultsOf(declaredInput(className, exported) ?? []), ...given };
  if (typeof exported.prototype?.run !== 'function') return exported(whole, context);
  return new exported(whole).run(context);
}

function defaultsOf(declared: Declared): Input {
  return Object.assign({}, ...declared.filter((one) => typeof one === 'object')) as Input;
}

function failure(error: unknown): ModuleOutcome {
  if (error instanceof Error) return { kind: 'raised', message: `${error.name}: ${withoutUrl(error.message)}` };
  try {
    return { kind: 'failed', json: jsonOfValue(error) };
  } catch {
    return { kind: 'raised', message: 'It threw a value that cannot be shown as JSON.' };
  }
}

/** Messages of the loader repeat the module's address, which is its whole text. */
function withoutUrl(message: string): string {
  return message.replaceAll(/data:text\/javascript;base64,[\w+/=]*/g, 'the module');
}
