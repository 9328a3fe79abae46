import type { Runtime } from './runtime.ts';

/** Variables that a template sets itself. A block of a tag has its own; lookups go outwards. */
export class Scope {
  readonly runtime: Runtime;
  private readonly parent: Scope | null;
  private values: Map<string, unknown> | null = null;

  constructor(runtime: Runtime, parent: Scope | null = null) {
    this.runtime = runtime;
    this.parent = parent;
  }

  /** The value, or undefined when no template code has set it. */
  get(name: string): unknown {
    const value = this.values?.get(name);
    return value !== undefined || this.parent === null ? value : this.parent.get(name);
  }

  set(name: string, value: unknown): void {
    this.values ??= new Map();
    this.values.set(name, value);
  }

  inner(): Scope {
    return new Scope(this.runtime, this);
  }

  /** The scope of the template itself. */
  root(): Scope {
    return this.parent === null ? this : this.parent.root();
  }
}

/** Where the text that a tag encloses waits for its filters. No template can spell this name. */
export const ENCLOSED = '\0enclosed';
