/** One finished test as TAP tells it. */
export interface TapResult {
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What TAP says about a failure, line by line. */
  readonly details: readonly string[];
}

const RESULT = /^(not )?ok \d+(?: - (.*?))?(?: # (SKIP|TODO)\b.*)?$/i;

/**
 * Reads TAP 13 as ava writes it. A test marked TODO counts as skipped: nobody has shown that it holds.
 * `complete` is false when the plan at the end is missing: the runner broke off, whatever the results say.
 */
export function readTap(text: string): { readonly results: readonly TapResult[]; readonly complete: boolean } {
  const results: TapResult[] = [];
  let complete = false;
  let details: string[] = [];
  for (const line of text.split('\n')) {
    const result = RESULT.exec(line);
    if (result !== null) {
      details = [];
      results.push({ title: result[2] ?? '(no title)', outcome: outcomeOf(result), details });
    } else if (/^\d+\.\.\d+/.test(line)) complete = true;
    else if (line.startsWith('    ') || line.startsWith('#')) details.push(line);
  }
  return { results, complete };
}

function outcomeOf([, not, , directive]: RegExpExecArray): TapResult['outcome'] {
  if (directive !== undefined) return 'skipped';
  return not === undefined ? 'passed' : 'failed';
}
