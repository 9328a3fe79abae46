/** Syntax tree of a Python regular expression (spec/expressions.md §14.2). */
export type RegexNode =
  | { readonly type: 'empty' }
  | { readonly type: 'char'; readonly code: number; readonly ignoreCase: boolean }
  | CharSet
  | { readonly type: 'anchor'; readonly anchor: Anchor; readonly ascii: boolean }
  | { readonly type: 'group'; readonly index: number; readonly node: RegexNode }
  | { readonly type: 'back-reference'; readonly index: number; readonly ignoreCase: boolean }
  | { readonly type: 'look'; readonly ahead: boolean; readonly negative: boolean; readonly node: RegexNode }
  | {
      readonly type: 'repeat';
      readonly min: number;
      /** Infinity when unbounded. */
      readonly max: number;
      readonly mode: 'greedy' | 'lazy';
      readonly node: RegexNode;
    }
  | { readonly type: 'atomic'; readonly possessive: boolean; readonly node: RegexNode }
  | { readonly type: 'conditional'; readonly index: number; readonly yes: RegexNode; readonly no: RegexNode }
  | { readonly type: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly type: 'choice'; readonly options: readonly RegexNode[] };

/** One character out of a set: `[…]`, `\d` and its like, and `.`. */
export interface CharSet {
  readonly type: 'set';
  readonly negated: boolean;
  readonly ignoreCase: boolean;
  readonly items: readonly SetItem[];
}

export type SetItem =
  | { readonly from: number; readonly to: number }
  | { readonly category: 'd' | 's' | 'w'; readonly negated: boolean; readonly ascii: boolean };

export type Anchor = 'text-start' | 'line-start' | 'end' | 'line-end' | 'text-end' | 'word' | 'not-word';

export interface RegexTree {
  readonly node: RegexNode;
  /** Number of capturing groups. */
  readonly groups: number;
  readonly names: ReadonlyMap<string, number>;
  /** `(?a)` stands at the start: `\\w` and its like mean ASCII. */
  readonly ascii: boolean;
}

/** Fewest and most characters a node can take. `groupWidths` answers for back references. */
export function widthOf(
  node: RegexNode,
  groupWidths: ReadonlyMap<number, readonly [number, number]>,
): [number, number] {
  switch (node.type) {
    case 'char':
    case 'set':
      return [1, 1];
    case 'empty':
    case 'anchor':
    case 'look':
      return [0, 0];
    case 'group':
    case 'atomic':
      return widthOf(node.node, groupWidths);
    case 'back-reference': {
      const width = groupWidths.get(node.index);
      return width ? [width[0], width[1]] : [0, Number.POSITIVE_INFINITY];
    }
    case 'repeat': {
      const [low, high] = widthOf(node.node, groupWidths);
      return [low * node.min, high === 0 ? 0 : high * node.max];
    }
    case 'conditional':
      return widthOfChoice([node.yes, node.no], groupWidths);
    case 'choice':
      return widthOfChoice(node.options, groupWidths);
    case 'sequence':
      return node.items.reduce<[number, number]>(
        ([low, high], item) => {
          const [itemLow, itemHigh] = widthOf(item, groupWidths);
          return [low + itemLow, high + itemHigh];
        },
        [0, 0],
      );
  }
}

function widthOfChoice(
  options: readonly RegexNode[],
  groupWidths: ReadonlyMap<number, readonly [number, number]>,
): [number, number] {
  const widths = options.map((option) => widthOf(option, groupWidths));
  return [Math.min(...widths.map(([low]) => low)), Math.max(...widths.map(([, high]) => high))];
}
