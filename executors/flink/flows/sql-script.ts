/**
 * Splits a SQL script at `;` outside of texts, quoted names, comments and `BEGIN STATEMENT SET … END` (spec/flink.md §3.4). Statements come without the `;`
 * and trimmed; what holds comments only is left out.
 */
export function splitScript(script: string): readonly string[] {
  const statements: string[] = [];
  let from = 0;
  let inSet = false;
  let cases = 0;
  for (const token of tokensOf(script)) {
    if (token.kind === 'word') {
      const before = withoutComments(script.slice(from, token.at)).trim().toUpperCase().replace(/\s+/g, ' ');
      if (token.text === 'SET' && /^(?:EXECUTE STATEMENT|BEGIN STATEMENT)$/.test(before)) inSet = true;
      else if (token.text === 'CASE') cases++;
      else if (token.text === 'END' && cases > 0) cases--;
      else if (token.text === 'END') inSet = false;
      continue;
    }
    if (inSet) continue;
    cases = 0;
    statements.push(script.slice(from, token.at));
    from = token.at + 1;
  }
  statements.push(script.slice(from));
  return statements
    .map((one) => one.trim())
    .filter((one) => withoutComments(one).trim() !== '')
    .map(toOneStatement);
}

/** The words of Flink's command line for a set of statements, as the one statement that the gateway knows. */
function toOneStatement(statement: string): string {
  return statement.replace(
    /^((?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)*)BEGIN\s+STATEMENT\s+SET\s*;/i,
    '$1EXECUTE STATEMENT SET BEGIN',
  );
}

type Token =
  | { readonly kind: 'end'; readonly at: number }
  | { readonly kind: 'word'; readonly at: number; readonly text: string };

/** Semicolons and words; whatever stands in quotes or comments is passed over. An unclosed quote runs to the end. */
function* tokensOf(script: string): Generator<Token> {
  const pattern =
    /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|;|[A-Za-z_]\w*/g;
  for (const match of script.matchAll(pattern)) {
    const [text] = match;
    if (text === ';') yield { kind: 'end', at: match.index };
    else if (/^[A-Za-z_]/.test(text)) yield { kind: 'word', at: match.index, text: text.toUpperCase() };
  }
}

function withoutComments(text: string): string {
  return text.replace(/--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g, ' ');
}
