import { certainErrors, hasExpression, validateExpression } from '../expressions/index.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import type { Path, Place, Problems } from '../problems.ts';
import { expressionHint } from './expression-hint.ts';

/** Checks the syntax of the expressions in a text that starts `offset` units after the start of the YAML scalar. */
export function checkExpressions(text: string, path: Path, offset: number, problems: Problems): void {
  if (!MAY_HOLD_EXPRESSION.test(text)) return;
  const error = validateExpression(text, problems.languages);
  if (error !== null)
    problems.error({ path, offset: offset + (error.offset ?? 0) }, error.message, expressionHint(error));
  else {
    warnOfUnclosed(text, path, offset, problems);
    warnOfCertainErrors(text, { path, offset }, problems);
  }
}

/** Warns of broken expressions in data that an upload accepts: they would fail at run time (spec/dsl.md D-5.3). */
export function warnOfDeepExpressions(value: Json, path: Path, problems: Problems): void {
  if (typeof value === 'string') {
    warnOfBroken(value, { path }, problems);
  } else if (Array.isArray(value)) {
    for (const [i, item] of (value as readonly Json[]).entries()) warnOfDeepExpressions(item, [...path, i], problems);
  } else if (isJsonObject(value)) {
    warnOfSingleBraces(value, path, problems);
    for (const key of Object.keys(value)) warnOfDeepExpressions(value[key] ?? null, [...path, key], problems);
  }
}

/** `{ _.x }` without quotes is a mapping whose key has no value. */
function warnOfSingleBraces(value: JsonObject, path: Path, problems: Problems): void {
  const [key = '', ...others] = Object.keys(value);
  if (others.length > 0 || value[key] !== null || !/^[$_]\.[\p{L}_]/u.test(key)) return;
  problems.warning(
    { path },
    `{${key}} is a mapping with the key '${key}', no expression`,
    key.startsWith('$') ? `write <% ${key} %>` : `write "{{ ${key} }}", in quotes`,
  );
}

/** Warns of a text with a broken expression; its place may be the scalar that it was taken from. */
export function warnOfBroken(text: string, place: Place, problems: Problems): void {
  if (!MAY_HOLD_EXPRESSION.test(text)) return;
  const error = validateExpression(text, problems.languages);
  const offset = (place.offset ?? 0) + (error?.offset ?? 0);
  if (error === null) {
    warnOfUnclosed(text, place.path, offset, problems);
    warnOfCertainErrors(text, place, problems);
  } else
    problems.warning(
      { ...place, offset },
      `This expression will fail at run time: ${error.message}`,
      expressionHint(error),
    );
}

/** Warns of calls that no data can save, such as those of unknown functions: an upload accepts them, as the reference does. */
function warnOfCertainErrors(text: string, place: Place, problems: Problems): void {
  for (const error of certainErrors(text)) {
    const offset = (place.offset ?? 0) + (error.offset ?? 0);
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    problems.warning({ ...place, offset }, `This expression will fail at run time: ${reason}`, expressionHint(error));
  }
}

/** An expression that is cut off, for instance by a YAML comment, is plain text. */
function warnOfUnclosed(text: string, path: Path, offset: number, problems: Problems): void {
  const open = /<%|\{\{/.exec(text);
  if (open === null || hasExpression(text)) return;
  const close = open[0] === '<%' ? '%>' : '}}';
  const hint = text.includes(close)
    ? 'an expression must stand on one line: use a folded block (>) or one long line'
    : `close it with ${close}; if the text holds ' #' or ': ', put it in quotes`;
  problems.warning(
    { path, offset: offset + open.index },
    `'${open[0]}' opens no expression here, the text stays as it is`,
    hint,
  );
}

const MAY_HOLD_EXPRESSION = /<%|\{\{|\{%/;
