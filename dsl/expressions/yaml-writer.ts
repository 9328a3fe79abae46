/** What a YAML text is made of. */
export type YamlNode =
  | { readonly kind: 'scalar'; readonly text: string; readonly isString: boolean; readonly tagLength: number }
  | { readonly kind: 'sequence'; readonly items: readonly YamlNode[] }
  | { readonly kind: 'mapping'; readonly pairs: readonly (readonly [YamlNode, YamlNode])[] };

const BEST_WIDTH = 80;
const STEP = 2;
/** Longer keys are written with `?`. */
const MAX_SIMPLE_KEY = 128;

/** Lays out nodes as PyYAML's emitter does; `isSpecial` tells texts that would be read as something else than a string. */
export class YamlWriter {
  text = '';
  private column = 0;
  private afterBlank = true;
  /** Whether the line so far holds only indentation and the marks of collections. */
  private afterMark = true;
  private readonly isSpecial: (text: string) => boolean;

  constructor(isSpecial: (text: string) => boolean) {
    this.isSpecial = isSpecial;
  }

  document(node: YamlNode): void {
    const isPlain = node.kind === 'scalar' && this.styleOf(node, false) === 'plain';
    this.node(node, null, false);
    this.lineBreak();
    // A plain scalar has no end of its own.
    if (isPlain) this.text += '...\n';
  }

  private node(node: YamlNode, indent: number | null, inMapping: boolean): void {
    switch (node.kind) {
      case 'scalar':
        return this.scalar(node, (indent ?? 0) + STEP, false);
      case 'sequence':
        if (node.items.length === 0) return this.mark('[]', true);
        return this.sequence(node.items, indent, inMapping);
      case 'mapping':
        if (node.pairs.length === 0) return this.mark('{}', true);
        return this.mapping(node.pairs, indent);
    }
  }

  private sequence(items: readonly YamlNode[], outer: number | null, inMapping: boolean): void {
    const isIndentless = inMapping && !this.afterMark;
    const indent = outer === null ? 0 : isIndentless ? outer : outer + STEP;
    for (const item of items) {
      this.startLine(indent);
      this.mark('-', true, true);
      this.node(item, indent, false);
    }
  }

  private mapping(pairs: readonly (readonly [YamlNode, YamlNode])[], outer: number | null): void {
    const indent = outer === null ? 0 : outer + STEP;
    for (const [key, value] of pairs) {
      this.startLine(indent);
      if (isSimpleKey(key)) {
        this.simpleKey(key, indent);
        this.mark(':', false);
      } else {
        this.mark('?', true, true);
        this.node(key, indent, true);
        this.startLine(indent);
        this.mark(':', true, true);
      }
      this.node(value, indent, true);
    }
  }

  private simpleKey(key: YamlNode, indent: number): void {
    if (key.kind === 'scalar') this.scalar(key, indent + STEP, true);
    else this.mark(key.kind === 'sequence' ? '[]' : '{}', true);
  }

  private scalar(node: YamlNode & { kind: 'scalar' }, indent: number, isKey: boolean): void {
    switch (this.styleOf(node, isKey)) {
      case 'plain':
        if (node.text === '') return;
        if (!this.afterBlank) this.write(' ');
        this.afterBlank = false;
        this.afterMark = false;
        return this.folded(node.text, indent, !isKey, false);
      case 'single':
        this.mark("'", true);
        this.folded(node.text, indent, !isKey, true);
        return this.mark("'", false);
      case 'double':
        this.mark('"', true);
        this.escaped(node.text, indent, !isKey);
        return this.mark('"', false);
    }
  }

  private styleOf(node: YamlNode & { kind: 'scalar' }, isKey: boolean): 'plain' | 'single' | 'double' {
    const { allowsPlain, allowsSingle, isMultiline } = analyze(node.text);
    const readsBack = !node.isString || !this.isSpecial(node.text);
    if (readsBack && allowsPlain && !(isKey && (node.text === '' || isMultiline))) return 'plain';
    return allowsSingle && !(isKey && isMultiline) ? 'single' : 'double';
  }

  /** Text without escapes: broken at single blanks behind column 80; a line break in it becomes an empty line. */
  private folded(text: string, indent: number, maySplit: boolean, isQuoted: boolean): void {
    const runs = text.match(/ +|[\n\x85\u2028\u2029]+|[^ \n\x85\u2028\u2029]+/g) ?? [];
    let at = 0;
    for (const run of runs) {
      const isInside = at > 0 && at + run.length < text.length;
      if (/^[\n\x85\u2028\u2029]/.test(run)) {
        if (run.startsWith('\n')) this.lineBreak();
        for (const end of run) this.lineBreak(end);
        this.startLine(indent);
      } else if (run === ' ' && maySplit && this.column > BEST_WIDTH && (isInside || !isQuoted)) {
        this.startLine(indent);
      } else {
        this.write(isQuoted ? run.replaceAll("'", "''") : run);
      }
      this.afterBlank = false;
      this.afterMark = false;
      at += run.length;
    }
  }

  /** Text in double quotes: everything but printable ASCII escaped, lines broken with a backslash. */
  private escaped(text: string, indent: number, maySplit: boolean): void {
    const units = [...text];
    let pending = '';
    const flush = (more = ''): void => {
      this.write(pending + more);
      pending = '';
    };
    units.forEach((unit, i) => {
      const isEscape = /^["\\]$|^[^\x20-\x7e]$/u.test(unit);
      if (isEscape) flush(escapeOf(unit));
      // After an escape any character may begin the next line, else only a blank.
      const mayBreak = isEscape || unit === ' ' || pending === '';
      const width = isEscape ? this.column - 1 : this.column + pending.length;
      if (maySplit && i > 0 && i < units.length - 1 && mayBreak && width > BEST_WIDTH) {
        flush('\\');
        this.startLine(indent);
        this.afterBlank = false;
        this.afterMark = false;
        const next = isEscape ? units[i + 1] : unit;
        if (next === ' ') this.write('\\');
      }
      if (!isEscape) pending += unit;
    });
    flush();
  }

  private mark(text: string, needsBlank: boolean, opensCollection = false): void {
    this.write(needsBlank && !this.afterBlank ? ` ${text}` : text);
    this.afterBlank = false;
    this.afterMark = this.afterMark && opensCollection;
  }

  private startLine(indent: number): void {
    if (!this.afterMark || this.column > indent || (this.column === indent && !this.afterBlank)) this.lineBreak();
    if (this.column < indent) {
      this.write(' '.repeat(indent - this.column));
      this.afterBlank = true;
    }
  }

  private lineBreak(text = '\n'): void {
    this.text += text;
    this.column = 0;
    this.afterBlank = true;
    this.afterMark = true;
  }

  private write(text: string): void {
    this.text += text;
    this.column += text.length;
  }
}

function isSimpleKey(key: YamlNode): boolean {
  if (key.kind === 'sequence') return key.items.length === 0;
  if (key.kind === 'mapping') return key.pairs.length === 0;
  if (key.text === '' || /[\n\x85\u2028\u2029]/.test(key.text)) return false;
  return key.tagLength + [...key.text].length < MAX_SIMPLE_KEY;
}

interface Analysis {
  readonly allowsPlain: boolean;
  readonly allowsSingle: boolean;
  readonly isMultiline: boolean;
}

const LEADING_MARK = /^(?:[#,[\]{}&*!|>'"%@`]|[-?:](?:[\0 \t\r\n\x85\u2028\u2029]|$)|---|\.\.\.)/;
const INNER_MARK = /:(?:[\0 \t\r\n\x85\u2028\u2029]|$)|[\0 \t\r\n\x85\u2028\u2029]#/;

function analyze(text: string): Analysis {
  if (text === '') return { allowsPlain: true, allowsSingle: true, isMultiline: false };
  const isMultiline = /[\n\x85\u2028\u2029]/.test(text);
  const needsEscapes = /[^\n\x20-\x7e]/.test(text) || / [\n\x85\u2028\u2029]/.test(text);
  const allowsSingle = !needsEscapes && !/[\n\x85\u2028\u2029] /.test(text);
  const isPadded = /^[ \n]|[ \n]$/.test(text);
  const hasMarks = LEADING_MARK.test(text) || INNER_MARK.test(text);
  return { allowsPlain: allowsSingle && !isMultiline && !isPadded && !hasMarks, allowsSingle, isMultiline };
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '0',
  '\x07': 'a',
  '\b': 'b',
  '\t': 't',
  '\n': 'n',
  '\v': 'v',
  '\f': 'f',
  '\r': 'r',
  '\x1b': 'e',
  '"': '"',
  '\\': '\\',
  '\x85': 'N',
  '\xa0': '_',
  '\u2028': 'L',
  '\u2029': 'P',
};

function escapeOf(character: string): string {
  const short = ESCAPES[character];
  if (short !== undefined) return `\\${short}`;
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
