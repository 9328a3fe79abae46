import type { CallArguments } from './calls.ts';
import { bind } from './calls.ts';
import { typeError } from './errors.ts';
import { Callable, NativeFunction, Undefined } from './objects.ts';
import { isEqual, iterate } from './python.ts';
import type { Runtime } from './runtime.ts';

/** Renders the body of a recursive loop again, over other items. */
export type RenderAgain = (items: Iterable<unknown>, depth0: number) => unknown;

/** The variable `loop` of a `for`. */
export class LoopContext extends Callable {
  override readonly typeName = 'LoopContext';
  readonly items: readonly unknown[];
  index0 = -1;
  private readonly depth0: number;
  private readonly renderAgain: RenderAgain | null;
  private lastChanged: readonly unknown[] | null = null;

  constructor(items: readonly unknown[], depth0: number, renderAgain: RenderAgain | null) {
    super();
    this.items = items;
    this.depth0 = depth0;
    this.renderAgain = renderAgain;
  }

  override attribute(name: string): unknown {
    const { length } = this.items;
    switch (name) {
      case 'index0':
        return this.index0;
      case 'index':
        return this.index0 + 1;
      case 'revindex0':
        return length - this.index0 - 1;
      case 'revindex':
        return length - this.index0;
      case 'first':
        return this.index0 === 0;
      case 'last':
        return this.index0 === length - 1;
      case 'length':
        return length;
      case 'depth0':
        return this.depth0;
      case 'depth':
        return this.depth0 + 1;
      case 'previtem':
        return this.index0 === 0 ? new Undefined('there is no previous item') : this.items[this.index0 - 1];
      case 'nextitem':
        return this.index0 === length - 1 ? new Undefined('there is no next item') : this.items[this.index0 + 1];
      case 'cycle':
        return new NativeFunction('cycle', (args) => this.cycle(args.positional));
      case 'changed':
        return new NativeFunction('changed', (args) => this.changed(args.positional));
      default:
        return undefined;
    }
  }

  call(args: CallArguments, _runtime: Runtime): unknown {
    const [items] = bind('loop', ['iterable'], args);
    if (this.renderAgain === null) {
      throw typeError("The loop must have the 'recursive' marker to be called recursively.");
    }
    return this.renderAgain(iterate(items), this.depth0 + 1);
  }

  override repr(): string {
    return `<LoopContext ${this.index0 + 1}/${this.items.length}>`;
  }

  private cycle(values: readonly unknown[]): unknown {
    if (values.length === 0) throw typeError('no items for cycling given');
    return values[this.index0 % values.length];
  }

  private changed(values: readonly unknown[]): boolean {
    const last = this.lastChanged;
    this.lastChanged = values;
    return last === null || last.length !== values.length || values.some((value, i) => !isEqual(value, last[i]));
  }
}
