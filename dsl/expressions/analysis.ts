import type { ExpressionError } from '../errors.ts';
import { TextCache } from './cache.ts';
import { hasJinja, hasYaql } from './find.ts';
import { certainJinjaErrors, checkJinja } from './jinja.ts';
import { certainYaqlErrors, checkYaql } from './yaql.ts';

/** What can be said of a text with expressions before they are evaluated. Each answer is worked out when it is first asked for. */
class Analysis {
  readonly isJinja: boolean;
  readonly isYaql: boolean;
  private readonly text: string;
  private jinja: ExpressionError | null | undefined;
  private yaql: ExpressionError | null | undefined;
  private certain: readonly ExpressionError[] | undefined;

  constructor(text: string) {
    this.text = text;
    this.isJinja = hasJinja(text);
    this.isYaql = hasYaql(text);
  }

  /** The syntax error as Jinja; null when there is none. */
  get jinjaError(): ExpressionError | null {
    if (this.jinja === undefined) this.jinja = checkJinja(this.text);
    return this.jinja;
  }

  /** The first syntax error of its YAQL expressions; null when there is none. */
  get yaqlError(): ExpressionError | null {
    if (this.yaql === undefined) this.yaql = checkYaql(this.text);
    return this.yaql;
  }

  /** What fails whenever it is reached. Only for texts without syntax errors. */
  get certainErrors(): readonly ExpressionError[] {
    this.certain ??= this.isJinja ? certainJinjaErrors(this.text) : this.isYaql ? certainYaqlErrors(this.text) : [];
    return this.certain;
  }
}

/** Kept for a while: a definition is checked more than once, and often uploaded again. */
export function analysisOf(text: string): Analysis {
  return cache.get(text, (unknown) => new Analysis(unknown));
}

const cache = new TextCache<Analysis>(5_000, 2_000_000);
