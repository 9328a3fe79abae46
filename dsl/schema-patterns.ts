import type { Grammar } from './spec/shape.ts';

/**
 * Texts of the language as patterns for a JSON Schema. Classes such as `\p{L}` are not known everywhere, so beyond ASCII all
 * counts as a letter here: a pattern never refuses what an upload accepts, and may accept what that refuses.
 */
const WORD = String.raw`[^\u0000-/:-@\[-^\u0060{-\u007f\s]`;
const NAMED = `(?:${WORD}|-)`;

/** null: a small language that a pattern cannot describe. */
export function grammarPattern(grammar: Grammar): string | null {
  return PATTERNS[grammar];
}

const PATTERNS: Readonly<Record<Grammar, string | null>> = {
  // A text without a blank is a name alone (spec/dsl.md §11).
  call: String.raw`^(?:[^ ]*$|${WORD}|\.|<%[^\n]*?%>|\{\{[^\n]*\}\}|\{%[^\n]*%\})`,
  next: String.raw`^(?:\S+|${WORD}+ ${WORD}+=[^\n]*|${WORD}+\(${WORD}+=[^\n]*\))$`,
  'with-items': String.raw`^\s*${NAMED}+\s*in\s*(?:\[[^\n]+\]|\{\{[^\n]*?\}\}|<%[^\n]*?%>)`,
  retry: null,
};

/** A call with at least one parameter that is read. */
export const CALL_WITH_PARAMETERS = String.raw`^(?=[^ ]* )[\s\S]*${NAMED}=(?:"[^"]*"|'[^']*'|\{\{[^\n]*?\}\}|<%[^\n]*?%>|\[[^\n]*\]|true|false|null|[0-9])`;

export const SINGLE_EXPRESSION = String.raw`^(?:<%.*?%>|\{\{.*?\}\})\s*$`;

/** Names of a workbook's entries: letters, digits, `_` and `-`; of other scripts without their punctuation, symbols and emoji. */
export const ENTRY_NAME = String.raw`^[^\u0000-,./:-@\[-^\u0060{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u245f\u2500-\u2bff\u3000-\u3004\ue000-\uf8ff\ufff0-\uffff]+$`;

/** Names under which definitions are stored (spec/dsl.md D-4.2). */
export const STORED_NAME = '^[^ ]+$';
export const UUID_NAME = '^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$';
