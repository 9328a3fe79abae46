import type { Json, JsonObject } from '../json.ts';

/**
 * Parsed definitions: readonly data without methods. A *definition* is text and its row, a *spec* is what stands here.
 *
 * `raw` is the mapping that is stored and shown by `execution().spec` and `task().spec`: the author's mapping with `name`,
 * `version` and a task's `type` injected and inline parameters merged into `input` (spec/dsl.md §15). Every spec can be built
 * again from its `raw` alone.
 */
export interface WorkbookSpec {
  readonly kind: 'workbook';
  readonly name: string;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** Entries keep their short names here; they are stored as `<book>.<entry>`. */
  readonly workflows: readonly WorkflowSpec[];
  readonly actions: readonly ActionSpec[];
  readonly raw: JsonObject;
}

export interface WorkflowSpec {
  readonly kind: 'workflow';
  readonly name: string;
  readonly type: WorkflowType;
  readonly description: Json;
  readonly tags: readonly string[];
  readonly input: readonly InputParameter[];
  readonly vars: JsonObject | null;
  readonly output: JsonObject | null;
  readonly outputOnError: JsonObject | null;
  /** In the order of the text; task-defaults are already merged in (spec/dsl.md §6). */
  readonly tasks: ReadonlyMap<string, TaskSpec>;
  readonly raw: JsonObject;
}

export type WorkflowType = 'direct' | 'reverse';

/** `default` undefined means that the parameter is required; defaults are literal, never evaluated (spec/dsl.md D-4.7). */
export interface InputParameter {
  readonly name: string;
  readonly default: Json | undefined;
}

export interface TaskSpec {
  readonly name: string;
  readonly tags: readonly string[];
  /** `name` may hold an expression. A task with neither action nor workflow runs `std.noop`. */
  readonly run: { readonly type: 'action' | 'workflow'; readonly name: string };
  /** A mapping with expressions inside, or one expression that must give a mapping. */
  readonly input: JsonObject | string;
  readonly withItems: readonly WithItemsSpec[];
  /** What is published for each final state, with the places of spec/dsl.md §8 already merged as §17-J says. */
  readonly publish: { readonly SUCCESS: PublishSpec; readonly ERROR: PublishSpec; readonly SKIPPED: PublishSpec };
  /** Effective clauses in direct workflows; `transitions` is empty where the author wrote none. */
  readonly onSuccess: readonly Transition[];
  readonly onError: readonly Transition[];
  readonly onComplete: readonly Transition[];
  readonly onSkip: readonly Transition[];
  /** null: no join (also `join: 0`). */
  readonly join: 'all' | number | null;
  /** Reverse workflows: names of tasks, own and default ones. */
  readonly requires: readonly string[];
  readonly policies: PoliciesSpec;
  readonly target: string | null;
  readonly keepResult: boolean;
  readonly safeRerun: boolean;
  readonly raw: JsonObject;
}

export interface WithItemsSpec {
  readonly variable: string;
  /** One expression, or a literal list whose elements may hold expressions. */
  readonly source: string | readonly Json[];
}

/**
 * `null` for a scope: nothing is published there. `written` tells whether the author wrote any publish for this state: without
 * one `published` is `{}`, with one that has no branch it is null (spec/engine.md E-5.5).
 */
export interface PublishSpec {
  readonly written: boolean;
  readonly branch: JsonObject | null;
  readonly global: JsonObject | null;
}

export const ENGINE_COMMANDS = ['noop', 'fail', 'succeed', 'pause'] as const;
export type EngineCommand = (typeof ENGINE_COMMANDS)[number];

export interface Transition {
  /** A task's name, unless `command` is set. */
  readonly to: string;
  readonly command: EngineCommand | null;
  /** One expression, or null for an unconditional transition. */
  readonly condition: string | null;
  /** Only `msg` of an engine command has an effect. May hold expressions. */
  readonly params: JsonObject;
}

/** Values are literals or one expression each; 0, false and absence switch a policy off (null). */
export interface PoliciesSpec {
  readonly pauseBefore: boolean | string | null;
  readonly waitBefore: number | string | null;
  readonly waitAfter: number | string | null;
  readonly failOn: boolean | string | null;
  readonly retry: RetrySpec | null;
  readonly timeout: number | string | null;
  readonly concurrency: number | string | null;
}

export interface RetrySpec {
  readonly count: number | string;
  readonly delay: number | string;
  readonly breakOn: string | null;
  readonly continueOn: string | null;
}

/** An ad-hoc action (spec/dsl.md §12). */
export interface ActionSpec {
  readonly kind: 'action';
  readonly name: string;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly input: readonly InputParameter[];
  readonly base: string;
  readonly baseInput: JsonObject;
  /** undefined: the base action's result as it is. */
  readonly output: Json | undefined;
  readonly raw: JsonObject;
}
