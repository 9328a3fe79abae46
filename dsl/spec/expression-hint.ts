import type { ExpressionError } from '../errors.ts';
import { explanationLine } from '../expressions/describe.ts';

/** What would probably be right where an expression does not parse; null when there is nothing useful to say. */
export function expressionHint(error: ExpressionError): string | null {
  const explained = explanationLine(error.explanation);
  if (explained !== null) return explained;
  for (const [pattern, hint] of HINTS) {
    const match = pattern.exec(error.message);
    if (match !== null) return hint(match[1] ?? '');
  }
  return null;
}

// The texts of the parsers: spec/expressions.md §2, §11.7, and Jinja's own.
const HINTS: readonly (readonly [RegExp, (found: string) => string])[] = [
  [/^The line already contains an expression/, () => 'write the whole text in one language'],
  [/unexpected '=' at position \d+ of expression '.*==/s, () => "YAQL compares with one '='"],
  [/illegal character '&'/, () => "YAQL says 'and'"],
  [
    /unexpected end of statement/,
    () => 'something is missing at its end, such as a value after an operator or a closing bracket',
  ],
  [/illegal character '(.*)' at/s, (found) => `'${found}' has no meaning here; put text in quotes`],
  [
    /^Parse error: unexpected '(.*)' at position/s,
    (found) => `an operator or a comma is missing before '${found}', or it is one too many`,
  ],
  [
    /unexpected 'end of/,
    () => 'something is missing at its end, such as a value after an operator or a closing bracket',
  ],
  [/^Syntax error/, () => 'see that brackets, quotes and blocks are closed and that operators stand between values'],
];
