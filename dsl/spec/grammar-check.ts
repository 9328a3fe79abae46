import type { Place, Problems } from '../problems.ts';
import { assertNever } from '../assert-never.ts';
import { checkExpressions, warnOfBroken } from './expression-check.ts';
import { type InlineCall, type LostText, parseInlineCall } from './inline-params.ts';
import { parseNext } from './on-clause.ts';
import type { Grammar, Shape } from './shape.ts';
import { show } from './show.ts';
import { parseWithItems } from './with-items.ts';

/** Checks a text that is written in one of the small languages inside of the language. */
export function checkGrammar(
  grammar: Exclude<Grammar, 'retry'>,
  text: string,
  place: Place,
  shape: Shape,
  problems: Problems,
): void {
  switch (grammar) {
    case 'call':
      return checkCall(text, place, problems);
    case 'next':
      return checkNext(text, place, shape, problems);
    case 'with-items':
      return checkWithItems(text, place, problems);
    default:
      return assertNever(grammar);
  }
}

function checkCall(text: string, place: Place, problems: Problems): void {
  const call: InlineCall | null = parseInlineCall(text);
  if (call === null) {
    problems.error(
      place,
      `Invalid action/workflow task property: ${text}`,
      'write the name first, then the parameters: name a=1 b="text"',
    );
    return;
  }
  warnOfBroken(call.name, place, problems);
  for (const { value, offset } of call.values) {
    if (typeof value === 'string') checkExpressions(value, place.path, offset, problems);
  }
  warnOfLost(call.lost, place, problems);
}

function checkNext(text: string, place: Place, shape: Shape, problems: Problems): void {
  const next = parseNext(text);
  if (next === null) {
    problems.error(
      place,
      `Invalid DSL: ${show(text)} is not valid under any of the given schemas`,
      `it must be ${shape.is}`,
    );
    return;
  }
  // The reference looks at these only when the transition fires.
  for (const { value, offset } of next.values) {
    if (typeof value === 'string') warnOfBroken(value, { ...place, offset }, problems);
  }
  warnOfLost(next.lost, place, problems);
}

/** The reference loses such text without a word (spec/dsl.md §11, §17-K). */
function warnOfLost(lost: readonly LostText[], place: Place, problems: Problems): void {
  for (const piece of lost) {
    problems.lost(
      { ...place, offset: piece.offset },
      `${show(piece.text)} has no effect`,
      /(?:<%(?!.*%>)|\{\{(?!.*\}\}))/.test(piece.text)
        ? 'an expression is not closed: <% … %> and {{ … }} stand on one line'
        : piece.behind === null
          ? `a parameter is name="text", name='text', name=<% … %>, name=[…], true, false, null or digits, without blanks around =; use 'input' for others`
          : `the value of '${piece.behind}' ends before it: put a value of several parts in quotes, ${piece.behind}="<% … %>/<% … %>"`,
    );
  }
}

function checkWithItems(text: string, place: Place, problems: Problems): void {
  const parsed = parseWithItems(text);
  switch (parsed.kind) {
    case 'ok':
      return checkExpressions(parsed.source, place.path, parsed.offset, problems);
    case 'format':
      return problems.error(
        place,
        `Wrong format of 'with-items' property. Please use format 'var in {[some, list] | <% $.array %> }: ${show(text)}`,
        withItemsHint(text),
      );
    case 'array':
      return problems.error(
        { ...place, offset: parsed.offset },
        `Invalid array in 'with-items' clause: ${parsed.text}, error: ${parsed.error}`,
        'the list must be JSON: texts in double quotes',
      );
    default:
      return assertNever(parsed);
  }
}

function withItemsHint(text: string): string | null {
  const bare = /^\s*([\p{L}\p{N}_-]+)\s+in\s+([$_]\.\S+)\s*$/u.exec(text);
  if (bare !== null) {
    const [, name = '', source = ''] = bare;
    return `an expression stands in marks: '${name} in ${source.startsWith('$') ? `<% ${source} %>` : `{{ ${source} }}`}'`;
  }
  if (/^\s*(?:<%|\{\{|\[)/.test(text)) return "name the variable of each item first: 'item in …'";
  return /\[\s*<%/.test(text) ? 'in a list in brackets put expressions in double quotes: ["<% $.a %>", 2]' : null;
}
