import type { Event, ScalarEvent } from 'js-yaml';
import { EVENT_ID, getScalarValue, SCALAR_STYLE } from 'js-yaml';
import type { Place } from './problems.ts';

interface PositionNode {
  /** Offset of the first character; -1 for a value that is left empty. */
  start: number;
  scalar: ScalarEvent | null;
  readonly children: Map<string | number, { keyStart: number; node: PositionNode }>;
}

/** Where every node of a parsed text stands. Built from the parser's events when the first position is asked for. */
export class PositionTree {
  private readonly source: string;
  private readonly events: readonly Event[];
  private root: PositionNode | null = null;

  constructor(source: string, events: readonly Event[]) {
    this.source = source;
    this.events = events;
  }

  /** The offset of a place in the text; where the way leads nowhere, that of the last node on it. */
  offsetOf(place: Place): number {
    if (place.source !== undefined) return place.source;
    this.root ??= buildTree(this.source, this.events);
    let node = this.root;
    let keyStart = Math.max(0, node.start);
    for (const [i, segment] of place.path.entries()) {
      const child = node.children.get(segment);
      if (child === undefined) return node.children.size > 0 ? keyStart : Math.max(node.start, keyStart);
      if (child.keyStart !== -1) keyStart = child.keyStart;
      else if (child.node.start !== -1) keyStart = child.node.start;
      if (i === place.path.length - 1 && place.at === 'key') return keyStart;
      node = child.node;
    }
    if (place.offset !== undefined && node.scalar !== null) return scalarOffset(this.source, node.scalar, place.offset);
    return node.start === -1 ? keyStart : node.start;
  }
}

function buildTree(source: string, events: readonly Event[]): PositionNode {
  const root = newNode(0);
  const stack: {
    node: PositionNode;
    isMapping: boolean;
    key: { text: string; start: number } | null;
    index: number;
  }[] = [];
  const add = (child: PositionNode): void => {
    const parent = stack.at(-1);
    if (parent === undefined) return;
    if (!parent.isMapping) {
      parent.node.children.set(parent.index++, { keyStart: -1, node: child });
    } else if (parent.key === null) {
      parent.key = { text: child.scalar === null ? '' : getScalarValue(source, child.scalar), start: child.start };
    } else {
      parent.node.children.set(parent.key.text, { keyStart: parent.key.start, node: child });
      parent.key = null;
    }
  };
  for (const event of events) {
    if (event.type === EVENT_ID.POP) {
      stack.pop();
    } else if (event.type === EVENT_ID.SCALAR) {
      const node = newNode(scalarStart(source, event), event);
      if (stack.length === 0) Object.assign(root, node);
      add(node);
    } else if (event.type === EVENT_ID.ALIAS) {
      add(newNode(event.anchorStart - 1));
    } else {
      // A document stands for its root: the first collection inside gives it its place.
      const node = event.type === EVENT_ID.DOCUMENT ? root : newNode(event.start);
      const isRoot = stack.length === 1;
      if (event.type !== EVENT_ID.DOCUMENT && !isRoot) add(node);
      if (isRoot && event.type !== EVENT_ID.DOCUMENT) root.start = event.start;
      stack.push({ node: isRoot ? root : node, isMapping: event.type === EVENT_ID.MAPPING, key: null, index: 0 });
    }
  }
  return root;
}

function newNode(start: number, scalar: ScalarEvent | null = null): PositionNode {
  return { start, scalar, children: new Map() };
}

/** Where a reader sees the scalar begin: at its quote or block indicator. */
export function scalarStart(source: string, event: ScalarEvent): number {
  if (event.valueStart === -1) return -1;
  switch (event.style) {
    case SCALAR_STYLE.PLAIN:
      return event.valueStart;
    case SCALAR_STYLE.SINGLE_QUOTED:
    case SCALAR_STYLE.DOUBLE_QUOTED:
      return event.valueStart - 1;
    default: {
      const headerEnd = event.valueStart - 1;
      const header = source.slice(source.lastIndexOf('\n', headerEnd - 1) + 1, headerEnd);
      const indicator = /[|>][-+\d]*\s*(?:#.*)?$/.exec(header);
      return indicator === null ? event.valueStart : headerEnd - header.length + indicator.index;
    }
  }
}

/**
 * Where the `offset`th unit of a scalar's value stands in the text. Value and text are walked side by side; runs of white space
 * count as equal, which covers folding and indentation, and escapes are stepped over.
 */
function scalarOffset(source: string, event: ScalarEvent, offset: number): number {
  const value = getScalarValue(source, event);
  let at = event.valueStart;
  let i = 0;
  while (i < offset && at < event.valueEnd) {
    const isEscape = event.style === SCALAR_STYLE.DOUBLE_QUOTED && source[at] === '\\';
    if (!isEscape && (isSpace(value[i]) || isSpace(source[at]))) {
      const run = at;
      while (i < offset && isSpace(value[i])) i++;
      while (at < event.valueEnd && isSpace(source[at])) at++;
      if (i === offset && isSpace(value[i])) return run;
      continue;
    }
    const [length, units] = step(source, at, event.style);
    at += length;
    i += units;
  }
  if (!isSpace(value[i])) while (at < event.valueEnd && isSpace(source[at])) at++;
  return at;
}

/** How long the next character is in the text, and how many UTF-16 units it gives. */
function step(source: string, at: number, style: ScalarEvent['style']): readonly [length: number, units: number] {
  if (style === SCALAR_STYLE.SINGLE_QUOTED && source.startsWith("''", at)) return [2, 1];
  if (style !== SCALAR_STYLE.DOUBLE_QUOTED || source[at] !== '\\') return [1, 1];
  switch (source[at + 1]) {
    case 'x':
      return [4, 1];
    case 'u':
      return [6, 1];
    case 'U':
      return [10, Number.parseInt(source.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1];
    case '\n':
    case '\r':
      return [1, 0];
    default:
      return [2, 1];
  }
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r';
}
