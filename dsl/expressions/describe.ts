import type { Explanation, ExpressionError } from '../errors.ts';

const MAX_SIGNATURES = 4;

/** `did you mean 'len'? len(string: string); len(set: set)`: for where there is one line. Null when there is nothing to say. */
export function explanationLine(explanation: Explanation | null): string | null {
  if (explanation === null) return null;
  const shown = shownSignatures(explanation.signatures).join('; ');
  const { hint } = explanation;
  if (hint === '' || shown === '') return hint + shown === '' ? null : hint + shown;
  return `${hint}${hint.endsWith('?') ? '' : ':'} ${shown}`;
}

/**
 * The failure of an expression for a person to read: the message, the line of the text with a mark below the fault, and what would
 * be right. Several lines, without a line feed at the end.
 */
export function describeError(error: ExpressionError, text: string): string {
  const { explanation } = error;
  return [
    reason(error),
    ...(error.offset === null ? [] : marked(text, error.offset)),
    ...(explanation === null || explanation.hint === '' ? [] : [explanation.hint]),
    ...shownSignatures(explanation?.signatures ?? []).map((signature) => `  ${signature}`),
  ].join('\n');
}

/** The evaluator's own message, without the expression, which is shown anyway. */
function reason({ cause, message, errorClass }: ExpressionError): string {
  const text = cause instanceof Error && cause.message !== '' ? cause.message : message;
  return errorClass === '' ? text : `${errorClass}: ${text}`;
}

const BEFORE = 60;
const AFTER = 40;

/** The line of the fault, cut where it is long, and a mark below. */
function marked(text: string, offset: number): readonly string[] {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(start, end < 0 ? text.length : end);
  const at = offset - start;
  const from = Math.max(0, at - BEFORE);
  const cut = (from > 0 ? '…' : '') + line.slice(from, at);
  const rest = line.slice(at, at + AFTER);
  const more = line.length > at + AFTER ? '…' : '';
  // A tab stays a tab below, so that the mark stands under what it means whatever tabs are set to.
  return [`  ${cut}${rest}${more}`, `  ${cut.replaceAll(/[^\t]/gu, ' ')}^`];
}

function shownSignatures(signatures: readonly string[]): readonly string[] {
  if (signatures.length <= MAX_SIGNATURES) return signatures;
  return [...signatures.slice(0, MAX_SIGNATURES), '…'];
}
