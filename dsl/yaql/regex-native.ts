import type { CharSet, RegexNode, RegexTree, SetItem } from './regex-tree.ts';

/** A JavaScript expression with the meaning of a Python one. */
export interface NativeRegex {
  readonly regex: RegExp;
  /** About the most steps that a search in a text of this many characters can take. */
  readonly worstCase: (length: number) => number;
}

/**
 * The same expression for JavaScript's own engine, which is fast but cannot be interrupted. Null when JavaScript means something
 * else by it or when backtracking could explode: then the matcher with a step limit (regex-matcher.ts) has to do it.
 */
export function toNative(tree: RegexTree): NativeRegex | null {
  const cases = new Set<boolean>();
  collectCases(tree.node, cases);
  if (cases.size > 1 || !isNative(tree.node)) return null;
  try {
    const regex = new RegExp(source(tree.node), cases.has(true) ? 'dgvi' : 'dgv');
    return { regex, worstCase: (length) => (length + 1) * waysToMatch(tree.node, length) };
  } catch {
    // A limit of JavaScript's engine (repetition counts, size): the other matcher takes it.
    return null;
  }
}

/** Whether `char`, one code point, is in the set. Used by the matcher for characters beyond ASCII. */
export function setRegex(set: CharSet): RegExp {
  return new RegExp(`^${setSource(set)}$`, set.ignoreCase ? 'vi' : 'v');
}

function collectCases(node: RegexNode, found: Set<boolean>): void {
  if (node.type === 'char' || node.type === 'back-reference') found.add(node.ignoreCase);
  // Classes without ranges mean the same in either mode.
  if (node.type === 'set' && node.items.some((item) => 'from' in item && item.from !== 10)) found.add(node.ignoreCase);
  for (const child of childrenOf(node)) collectCases(child, found);
}

function childrenOf(node: RegexNode): readonly RegexNode[] {
  switch (node.type) {
    case 'sequence':
      return node.items;
    case 'choice':
      return node.options;
    case 'conditional':
      return [node.yes, node.no];
    case 'group':
    case 'look':
    case 'repeat':
    case 'atomic':
      return [node.node];
    default:
      return [];
  }
}

function isNative(node: RegexNode): boolean {
  switch (node.type) {
    case 'back-reference': // JavaScript lets a reference to a group that took no part match
    case 'conditional':
    case 'atomic':
      return false;
    case 'look':
      // JavaScript matches look-behinds from right to left, which shows in groups.
      return (node.ahead || !hasGroup(node.node)) && isNative(node.node);
    case 'repeat':
      return isSimpleBody(node) && isNative(node.node);
    default:
      return childrenOf(node).every(isNative);
  }
}

/**
 * A repeated body is left to JavaScript only when each round takes a fixed number of characters in one way, so that there is
 * nothing to backtrack into, and every group inside is set in every round (JavaScript forgets groups between rounds).
 */
function isSimpleBody(node: RegexNode & { readonly type: 'repeat' }): boolean {
  if (node.min === 0 && node.max === 1) return !hasRepeat(node.node);
  return isFixed(node.node);
}

function isFixed(node: RegexNode): boolean {
  switch (node.type) {
    case 'char':
    case 'set':
      return true;
    case 'group':
      return isFixed(node.node);
    case 'sequence':
      return node.items.every(isFixed);
    case 'repeat':
      return node.min === node.max && node.max <= 100 && isFixed(node.node);
    default:
      return false;
  }
}

function hasGroup(node: RegexNode): boolean {
  return node.type === 'group' || childrenOf(node).some(hasGroup);
}

function hasRepeat(node: RegexNode): boolean {
  return (node.type === 'repeat' && node.min !== node.max) || childrenOf(node).some(hasRepeat);
}

/** In how many ways the node can take characters of a text of this length: repeats and choices in sequence multiply. */
function waysToMatch(node: RegexNode, length: number): number {
  switch (node.type) {
    case 'repeat':
      if (node.min === 0 && node.max === 1) return 1 + waysToMatch(node.node, length);
      return Math.min(node.max - node.min, length) + 1;
    case 'choice':
      return node.options.reduce((sum, option) => sum + waysToMatch(option, length), 0);
    default:
      return childrenOf(node).reduce((product, child) => product * waysToMatch(child, length), 1);
  }
}

function source(node: RegexNode): string {
  switch (node.type) {
    case 'empty':
      return '(?:)';
    case 'char':
      return charSource(node.code);
    case 'set':
      return setSource(node);
    case 'anchor':
      return anchorSource(node);
    case 'group':
      return `(${source(node.node)})`;
    case 'look':
      return `(?${node.ahead ? '' : '<'}${node.negative ? '!' : '='}${source(node.node)})`;
    case 'repeat':
      return `(?:${source(node.node)})${quantifier(node.min, node.max)}${node.mode === 'lazy' ? '?' : ''}`;
    case 'sequence':
      return node.items.map((item) => (item.type === 'choice' ? `(?:${source(item)})` : source(item))).join('');
    case 'choice':
      return node.options.map(source).join('|');
    case 'back-reference':
    case 'conditional':
    case 'atomic':
      throw new Error(`${node.type} has no equal in JavaScript`);
  }
}

function anchorSource(node: RegexNode & { readonly type: 'anchor' }): string {
  const word = node.ascii ? '[A-Za-z0-9_]' : '[\\p{L}\\p{N}_]';
  switch (node.anchor) {
    case 'text-start':
      return '^';
    case 'line-start':
      return '(?<![^\\n])';
    case 'end':
      return '(?=\\n?$)';
    case 'line-end':
      return '(?![^\\n])';
    case 'text-end':
      return '$';
    case 'word':
      return `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
    case 'not-word':
      return `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
  }
}

function quantifier(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  return min === 0 && max === 1 ? '?' : `{${min},${max}}`;
}

function charSource(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

function setSource(set: CharSet): string {
  const items = set.items.map(itemSource).join('');
  if (set.negated) return items === '' ? '[\\s\\S]' : `[^${items}]`;
  return items === '' ? '[]' : `[${items}]`;
}

function itemSource(item: SetItem): string {
  if ('from' in item) {
    return item.from === item.to ? charSource(item.from) : `${charSource(item.from)}-${charSource(item.to)}`;
  }
  const inside = item.ascii ? ASCII_CATEGORIES[item.category] : UNICODE_CATEGORIES[item.category];
  return `[${item.negated ? '^' : ''}${inside}]`;
}

const ASCII_CATEGORIES = { d: '0-9', s: '\\t-\\r\\x20', w: 'A-Za-z0-9_' } as const;
const UNICODE_CATEGORIES = {
  d: '\\p{Nd}',
  s: '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000',
  w: '\\p{L}\\p{N}_',
} as const;
