import type { Explanation } from './yaql/errors.ts';

export type { Explanation } from './yaql/errors.ts';

/** The base of every error that this project throws on purpose: a stable code, a message to act on, details as data. */
export class TramontaneError extends Error {
  override readonly name: string = 'TramontaneError';
  /** Stable, SCREAMING_SNAKE_CASE; `api/errors.ts` maps it to an HTTP status. */
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** One thing that is wrong in a definition. `line` and `column` count from 1; `path` is like `tasks.load.on-success[1]`. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly line: number;
  readonly column: number;
  readonly path: string;
  /** The first words are those of spec/dsl.md §16 where clients look for them. */
  readonly message: string;
  /** What would be right, such as the nearest name; null when there is nothing useful to say. */
  readonly hint: string | null;
  /** The action that a warning does not find among the names that the host listed; the host may find it elsewhere. */
  readonly unknownAction?: string;
}

/** A definition that cannot be accepted. `problems` holds every error that was found, in the order of the text. */
export class DslError extends TramontaneError {
  override readonly name = 'DslError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('DSL_INVALID', summary(problems), { details: { problems } });
    this.problems = problems;
  }
}

const MAX_LINES = 100;

/** One line for each problem, as far as a person would read. */
function summary(problems: readonly Problem[]): string {
  const lines = problems.slice(0, MAX_LINES).map(formatProblem);
  if (problems.length > MAX_LINES) lines.push(`and ${problems.length - MAX_LINES} more problems`);
  return lines.join('\n');
}

type Told = Pick<Problem, 'line' | 'column' | 'message' | 'hint'>;

/** `line:column: what is wrong; what would be right` */
export function formatProblem(problem: Told): string {
  return `${problem.line}:${problem.column}: ${words(problem)}`;
}

/** `line:column: warning: what is wrong; what would be right` */
export function formatWarning(problem: Told): string {
  return `${problem.line}:${problem.column}: warning: ${words(problem)}`;
}

function words({ message, hint }: Told): string {
  // Some of the reference's messages end with a full stop.
  return hint === null ? message : `${message.replace(/\.$/, '')}; ${hint}`;
}

/** A problem for programs to read. */
export type ProblemData = Omit<Problem, 'unknownAction'>;

export function problemData({ severity, line, column, path, message, hint }: Problem): ProblemData {
  return { severity, line, column, path, message, hint };
}

/** An expression that does not parse (`grammar`) or whose evaluation fails (`evaluation`). spec/expressions.md §11.6, §11.7. */
export class ExpressionError extends TramontaneError {
  override readonly name: string = 'ExpressionError';
  readonly kind: 'grammar' | 'evaluation';
  readonly language: 'yaql' | 'jinja';
  /** Offset in UTF-16 units of the fault in the whole text that was given; null when unknown. */
  readonly offset: number | null;
  /** The reference's class name of the underlying failure, such as `NoFunctionRegisteredException`. */
  readonly errorClass: string;
  readonly #explain: () => Explanation | null;

  constructor(
    kind: 'grammar' | 'evaluation',
    language: 'yaql' | 'jinja',
    message: string,
    options: {
      offset?: number | null;
      errorClass?: string;
      cause?: unknown;
      explain?: () => Explanation | null;
    } = {},
  ) {
    super(kind === 'grammar' ? 'EXPRESSION_GRAMMAR' : 'EXPRESSION_EVALUATION', message, { cause: options.cause });
    this.kind = kind;
    this.language = language;
    this.offset = options.offset ?? null;
    this.errorClass = options.errorClass ?? '';
    this.#explain = options.explain ?? (() => null);
  }

  /**
   * What would have been right; null when there is nothing useful to say. The message stays the reference's, since workflows and
   * clients know it; this is for people. Worked out when it is asked for.
   */
  get explanation(): Explanation | null {
    return this.#explain();
  }
}
