/** What expressions name. */
export interface References {
  /** Top-level names read from `$` or `_`; `*` among them when any name may be read. */
  readonly variables: readonly string[];
  /** Names given to `task(…)` as constants. */
  readonly tasks: readonly string[];
  /** Whether any task may be asked for: `tasks()`, or `task(…)` with a name that is computed. */
  readonly allTasks: boolean;
  /** Functions that are called, and in Jinja filters. */
  readonly functions: readonly string[];
  /** Whether the data context is used as a whole. */
  readonly wholeContext: boolean;
}

export class ReferenceCollector {
  private readonly variables = new Set<string>();
  private readonly tasks = new Set<string>();
  private readonly functions = new Set<string>();
  private allTasks = false;
  private wholeContext = false;

  variable(name: string): void {
    this.variables.add(name);
  }

  context(): void {
    this.wholeContext = true;
    this.variables.add('*');
  }

  function(name: string): void {
    this.functions.add(name);
    if (name === 'tasks') this.allTasks = true;
  }

  /** A call of `task`: a constant name, null for the current task, undefined for a name that is computed. */
  task(name: unknown): void {
    if (typeof name === 'string') this.tasks.add(name);
    else if (name !== null) this.allTasks = true;
  }

  everything(): void {
    this.context();
    this.allTasks = true;
  }

  references(): References {
    return {
      variables: [...this.variables],
      tasks: [...this.tasks],
      allTasks: this.allTasks,
      functions: [...this.functions],
      wholeContext: this.wholeContext,
    };
  }
}
