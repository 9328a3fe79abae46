import type { Body, Signature } from './ast.ts';
import type { CallArguments } from './calls.ts';
import { typeError } from './errors.ts';
import { Callable, Undefined } from './objects.ts';
import { newDict } from './python.ts';
import type { Runtime } from './runtime.ts';
import { PyTuple } from '../../yaql/values.ts';
import { mentions } from './walk.ts';

/** What a macro's body may ask for besides its parameters. */
export interface MacroShape {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly takesCaller: boolean;
  readonly takesKeywords: boolean;
  readonly takesRest: boolean;
}

export function macroShape(name: string, signature: Signature, body: Body): MacroShape {
  const asks = (word: string): boolean => !signature.parameters.includes(word) && mentions(body, word);
  return {
    name,
    parameters: signature.parameters,
    takesCaller: asks('caller') || signature.parameters.includes('caller'),
    takesKeywords: asks('kwargs'),
    takesRest: asks('varargs'),
  };
}

/** `{% macro %}`, and the body of `{% call %}` as `caller`. */
export class Macro extends Callable {
  override readonly typeName = 'Macro';
  private readonly shape: MacroShape;
  private readonly render: (values: ReadonlyMap<string, unknown>) => unknown;

  /** `render` gets the given arguments by name, without those that were left out. */
  constructor(shape: MacroShape, render: (values: ReadonlyMap<string, unknown>) => unknown) {
    super();
    this.shape = shape;
    this.render = render;
  }

  call(args: CallArguments, _runtime: Runtime): unknown {
    return this.render(this.bind(args));
  }

  override attribute(name: string): unknown {
    switch (name) {
      case 'name':
        return this.shape.name;
      case 'arguments':
        return PyTuple.wrap(this.shape.parameters);
      case 'catch_kwargs':
        return this.shape.takesKeywords;
      case 'catch_varargs':
        return this.shape.takesRest;
      case 'caller':
        return this.shape.takesCaller;
      default:
        return undefined;
    }
  }

  override repr(): string {
    return `<Macro '${this.shape.name}'>`;
  }

  private bind({ positional, keywords }: CallArguments): Map<string, unknown> {
    const { name, parameters } = this.shape;
    const values = new Map<string, unknown>();
    const left = new Map(keywords);
    parameters.forEach((parameter, i) => {
      if (i < positional.length) {
        values.set(parameter, positional[i]);
      } else if (left.has(parameter)) {
        values.set(parameter, left.get(parameter));
        left.delete(parameter);
      }
    });
    if (this.shape.takesCaller && !values.has('caller')) {
      values.set('caller', left.get('caller') ?? new Undefined('No caller defined'));
      left.delete('caller');
    }
    if (this.shape.takesKeywords) values.set('kwargs', newDict(left));
    else this.refuseKeywords(left);
    if (this.shape.takesRest) values.set('varargs', PyTuple.wrap(positional.slice(parameters.length)));
    else if (positional.length > parameters.length) {
      throw typeError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
    }
    return values;
  }

  private refuseKeywords(left: ReadonlyMap<string, unknown>): void {
    const [first] = left.keys();
    if (first === undefined) return;
    throw typeError(
      first === 'caller'
        ? `macro '${this.shape.name}' was invoked with two values for the special caller argument. This is most likely a bug.`
        : `macro '${this.shape.name}' takes no keyword argument '${first}'`,
    );
  }
}
