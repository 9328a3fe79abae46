/** What Jinja's lexer takes for a name; a superset of the identifiers, so that `²` is refused with a message of its own. */
export const NAME_AT = /[\p{L}\p{N}_\p{ID_Continue}]+/uy;

export function isIdentifier(text: string): boolean {
  return /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(text);
}
