import { YaqlError, assertNever } from './errors.ts';
import { setRegex } from './regex-native.ts';
import type { Anchor, CharSet, RegexNode, RegexTree } from './regex-tree.ts';

/**
 * Steps that a search may take, and for each character of its text besides. A step takes some 50 ns: expressions come from users, and
 * backtracking can be exponential, while a pattern that only reads the text needs some steps for each character.
 */
const STEPS = 2_000_000;
const STEPS_PER_CHARACTER = 64;
const MOST_STEPS = 10_000_000;
/** Numbers on the stack of alternatives: 24 MB. */
const MAX_STACK = 3_000_000;

/** Start and end of each group, -1 when it took no part; numbers 0 and 1 are the whole match. */
export type Slots = Int32Array;

/**
 * Finds the first match at or after `from`; with `mustAdvance` an empty one does not count at `from` itself. Exact Python semantics.
 * @throws YaqlError of class LimitExceededException when the budget, shared by all calls for one text, is spent.
 */
export type Finder = (from: number, mustAdvance: boolean) => Slots | null;

/** Prepares a finder for texts, given as code points. */
export function createMatcher(tree: RegexTree): (text: Uint32Array) => Finder {
  const program = new Compiler(tree).program();
  return (text) => {
    const run = new Run(program, text);
    return (from, mustAdvance) => {
      for (let start = from; start <= text.length; start += 1) {
        if (run.matchAt(start, mustAdvance && start === from)) return run.slots();
      }
      return null;
    };
  };
}

type Test = (code: number) => boolean;

/** Addresses are indexes into the program. */
type Instruction =
  | { readonly op: 'match' | 'sub-match' }
  | { readonly op: 'test'; readonly test: Test }
  | { readonly op: 'any-of'; readonly test: Test; readonly min: number; readonly max: number; readonly lazy: boolean }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'save'; readonly register: number }
  | { readonly op: 'set'; readonly register: number; readonly value: number }
  | { readonly op: 'anchor'; readonly anchor: Anchor; readonly isWord: Test }
  | { readonly op: 'back-reference'; readonly register: number; readonly same: (a: number, b: number) => boolean }
  | {
      readonly op: 'sub';
      readonly kind: 'ahead' | 'behind' | 'atomic';
      readonly negative: boolean;
      readonly width: number;
      end: number;
    }
  | { readonly op: 'if-group'; readonly register: number; otherwise: number }
  | {
      readonly op: 'loop';
      readonly counter: number;
      readonly mark: number;
      readonly min: number;
      readonly max: number;
      readonly lazy: boolean;
      body: number;
      exit: number;
    };

interface Program {
  readonly code: readonly Instruction[];
  readonly registers: number;
  readonly slots: number;
}

class Compiler {
  readonly #code: Instruction[] = [];
  readonly #tree: RegexTree;
  readonly #widths = new Map<number, number>();
  #registers: number;

  constructor(tree: RegexTree) {
    this.#tree = tree;
    this.#registers = (tree.groups + 1) * 2;
  }

  program(): Program {
    this.#emit(this.#tree.node);
    this.#code.push({ op: 'match' });
    return { code: this.#code, registers: this.#registers, slots: (this.#tree.groups + 1) * 2 };
  }

  #emit(node: RegexNode): void {
    switch (node.type) {
      case 'empty':
        return;
      case 'char':
      case 'set':
        this.#code.push({ op: 'test', test: testOf(node) });
        return;
      case 'anchor':
        this.#code.push({ op: 'anchor', anchor: node.anchor, isWord: node.ascii ? ASCII_WORD : WORD });
        return;
      case 'group':
        this.#code.push({ op: 'save', register: node.index * 2 });
        this.#emit(node.node);
        this.#code.push({ op: 'save', register: node.index * 2 + 1 });
        this.#widths.set(node.index, fixedWidth(node.node, this.#widths));
        return;
      case 'back-reference':
        this.#code.push({
          op: 'back-reference',
          register: node.index * 2,
          same: node.ignoreCase ? sameIgnoringCase : same,
        });
        return;
      case 'look':
        this.#sub(node.ahead ? 'ahead' : 'behind', node.negative, node.node);
        return;
      case 'atomic':
        this.#sub('atomic', false, node.node);
        return;
      case 'conditional':
        this.#conditional(node);
        return;
      case 'sequence':
        for (const item of node.items) this.#emit(item);
        return;
      case 'choice':
        this.#choice(node.options);
        return;
      case 'repeat':
        this.#repeat(node);
        return;
      default:
        assertNever(node);
    }
  }

  #sub(kind: 'ahead' | 'behind' | 'atomic', negative: boolean, body: RegexNode): void {
    const width = kind === 'behind' ? fixedWidth(body, this.#widths) : 0;
    const instruction: Instruction = { op: 'sub', kind, negative, width, end: 0 };
    this.#code.push(instruction);
    this.#emit(body);
    this.#code.push({ op: 'sub-match' });
    instruction.end = this.#code.length;
  }

  #conditional(node: RegexNode & { readonly type: 'conditional' }): void {
    const test: Instruction = { op: 'if-group', register: node.index * 2 + 1, otherwise: 0 };
    this.#code.push(test);
    this.#emit(node.yes);
    const jump: Instruction = { op: 'jump', to: 0 };
    this.#code.push(jump);
    test.otherwise = this.#code.length;
    this.#emit(node.no);
    jump.to = this.#code.length;
  }

  #choice(options: readonly RegexNode[]): void {
    const jumps: { op: 'jump'; to: number }[] = [];
    options.forEach((option, i) => {
      if (i === options.length - 1) {
        this.#emit(option);
        return;
      }
      const split: Instruction = { op: 'split', first: this.#code.length + 1, second: 0 };
      this.#code.push(split);
      this.#emit(option);
      const jump = { op: 'jump' as const, to: 0 };
      jumps.push(jump);
      this.#code.push(jump);
      split.second = this.#code.length;
    });
    for (const jump of jumps) jump.to = this.#code.length;
  }

  #repeat(node: RegexNode & { readonly type: 'repeat' }): void {
    const lazy = node.mode === 'lazy';
    if (node.node.type === 'char' || node.node.type === 'set') {
      this.#code.push({ op: 'any-of', test: testOf(node.node), min: node.min, max: node.max, lazy });
      return;
    }
    const counter = this.#registers;
    const mark = counter + 1;
    this.#registers += 2;
    this.#code.push({ op: 'set', register: counter, value: 0 }, { op: 'set', register: mark, value: -1 });
    const loopAt = this.#code.length;
    const loop: Instruction = {
      op: 'loop',
      counter,
      mark,
      min: node.min,
      max: node.max,
      lazy,
      body: loopAt + 1,
      exit: 0,
    };
    this.#code.push(loop);
    this.#emit(node.node);
    this.#code.push({ op: 'jump', to: loopAt });
    loop.exit = this.#code.length;
  }
}

/** Kinds of entries of the stack of alternatives, four numbers each; 0 is a plain place to go on. */
const RESTORE = -1;
const RANGE = -2;
const LAZY_RANGE = -3;
const LAZY_LOOP = -4;

class Run {
  readonly #program: Program;
  readonly #text: Uint32Array;
  readonly #registers: Int32Array;
  readonly #stack: number[] = [];
  readonly #maxSteps: number;
  #steps = 0;
  #end = 0;
  /** Where the match must not end. */
  #notAt = -1;

  constructor(program: Program, text: Uint32Array) {
    this.#program = program;
    this.#text = text;
    this.#maxSteps = Math.min(MOST_STEPS, STEPS + text.length * STEPS_PER_CHARACTER);
    this.#registers = new Int32Array(program.registers);
  }

  matchAt(start: number, mustAdvance: boolean): boolean {
    this.#registers.fill(-1);
    this.#notAt = mustAdvance ? start : -1;
    this.#stack.length = 0;
    if (!this.#run(0, start)) return false;
    this.#registers[0] = start;
    this.#registers[1] = this.#end;
    return true;
  }

  slots(): Slots {
    return this.#registers.slice(0, this.#program.slots);
  }

  /** Runs until `match`; leaves the position in `#end`. Alternatives below the stack's present height are not touched. */
  #run(from: number, start: number): boolean {
    const code = this.#program.code;
    const text = this.#text;
    const base = this.#stack.length;
    let pc = from;
    let at = start;
    for (;;) {
      this.#steps += 1;
      if (this.#steps > this.#maxSteps) throw tooCostly();
      const instruction = code[pc] as Instruction;
      let ok = true;
      switch (instruction.op) {
        case 'match':
          ok = at !== this.#notAt;
          if (!ok) break;
          this.#end = at;
          return true;
        case 'sub-match':
          this.#end = at;
          return true;
        case 'test':
          ok = at < text.length && instruction.test(text[at] as number);
          if (ok) {
            at += 1;
            pc += 1;
          }
          break;
        case 'any-of': {
          const low = at + instruction.min;
          const most = Math.min(text.length, at + (instruction.lazy ? instruction.min : instruction.max));
          let end = at;
          while (end < most && instruction.test(text[end] as number)) end += 1;
          this.#steps += end - at;
          ok = end >= low;
          if (!ok) break;
          if (instruction.lazy) {
            if (instruction.max > instruction.min) this.#pushLazy(pc, end, at + instruction.max);
          } else if (end > low) this.#push(pc, low, RANGE, end - 1);
          at = end;
          pc += 1;
          break;
        }
        case 'split':
          this.#push(instruction.second, at);
          pc = instruction.first;
          break;
        case 'jump':
          pc = instruction.to;
          break;
        case 'save':
          this.#assign(instruction.register, at);
          pc += 1;
          break;
        case 'set':
          this.#assign(instruction.register, instruction.value);
          pc += 1;
          break;
        case 'anchor':
          ok = this.#anchor(instruction.anchor, instruction.isWord, at);
          if (ok) pc += 1;
          break;
        case 'back-reference': {
          const length = this.#backReference(instruction.register, instruction.same, at);
          ok = length >= 0;
          if (ok) {
            at += length;
            pc += 1;
          }
          break;
        }
        case 'if-group':
          pc = (this.#registers[instruction.register] as number) >= 0 ? pc + 1 : instruction.otherwise;
          break;
        case 'sub': {
          const height = this.#stack.length;
          const found = at >= instruction.width && this.#run(pc + 1, at - instruction.width);
          ok = found !== instruction.negative;
          if (found) {
            if (instruction.negative) this.#unwind(height);
            else this.#keepRestores(height);
          }
          if (ok) {
            if (instruction.kind === 'atomic') at = this.#end;
            pc = instruction.end;
          }
          break;
        }
        case 'loop': {
          const count =
            (this.#registers[instruction.counter] as number) + (this.#registers[instruction.mark] === -1 ? 0 : 1);
          const idle = this.#registers[instruction.mark] === at;
          this.#assign(instruction.counter, count);
          if (count < instruction.min && !idle) {
            this.#assign(instruction.mark, at);
            pc = instruction.body;
          } else if (count >= instruction.max || idle) {
            pc = instruction.exit;
          } else if (instruction.lazy) {
            this.#pushLoop(pc, at);
            pc = instruction.exit;
          } else {
            this.#push(instruction.exit, at);
            this.#assign(instruction.mark, at);
            pc = instruction.body;
          }
          break;
        }
        default:
          assertNever(instruction);
      }
      if (ok) continue;
      const next = this.#backtrack(base);
      if (next === null) return false;
      [pc, at] = next;
    }
  }

  #push(pc: number, at: number, kind = 0, high = 0): void {
    this.#stack.push(at, high, pc, kind);
    if (this.#stack.length > MAX_STACK) throw tooCostly();
  }

  /** On failure: take one more character at `end`, up to `limit`, and go on. */
  #pushLazy(pc: number, end: number, limit: number): void {
    this.#push(pc, end, LAZY_RANGE, limit);
  }

  /** On failure: run the body of the loop at `pc` once more. */
  #pushLoop(pc: number, at: number): void {
    this.#push(pc, at, LAZY_LOOP);
  }

  #assign(register: number, value: number): void {
    this.#push(register, this.#registers[register] as number, RESTORE);
    this.#registers[register] = value;
  }

  /** Undoes assignments down to the latest alternative above `base`: where to go on, or null. */
  #backtrack(base: number): [number, number] | null {
    const stack = this.#stack;
    while (stack.length > base) {
      this.#steps += 1;
      const kind = stack.pop() as number;
      const pc = stack.pop() as number;
      const high = stack.pop() as number;
      const at = stack.pop() as number;
      if (kind === RESTORE) {
        this.#registers[pc] = at;
      } else if (kind === RANGE) {
        if (high > at) this.#push(pc, at, RANGE, high - 1);
        return [pc + 1, high];
      } else if (kind === LAZY_RANGE) {
        const instruction = this.#program.code[pc] as Instruction & { op: 'any-of' };
        if (at >= this.#text.length || !instruction.test(this.#text[at] as number)) continue;
        if (at + 1 < high) this.#push(pc, at + 1, LAZY_RANGE, high);
        return [pc + 1, at + 1];
      } else if (kind === LAZY_LOOP) {
        const instruction = this.#program.code[pc] as Instruction & { op: 'loop' };
        this.#assign(instruction.mark, at);
        return [instruction.body, at];
      } else {
        return [pc, at];
      }
    }
    return null;
  }

  /** Undoes everything above the height. */
  #unwind(height: number): void {
    const stack = this.#stack;
    while (stack.length > height) {
      const kind = stack.pop() as number;
      const register = stack.pop() as number;
      stack.pop();
      const value = stack.pop() as number;
      if (kind === RESTORE) this.#registers[register] = value;
    }
  }

  /** Forgets the alternatives above the height but keeps what undoes the groups set there. */
  #keepRestores(height: number): void {
    const stack = this.#stack;
    let write = height;
    for (let read = height; read < stack.length; read += 4) {
      if (stack[read + 3] !== RESTORE) continue;
      for (let i = 0; i < 4; i += 1) stack[write + i] = stack[read + i] as number;
      write += 4;
    }
    stack.length = write;
  }

  #anchor(anchor: Anchor, isWord: Test, at: number): boolean {
    const text = this.#text;
    switch (anchor) {
      case 'text-start':
        return at === 0;
      case 'line-start':
        return at === 0 || text[at - 1] === 10;
      case 'end':
        return at === text.length || (at === text.length - 1 && text[at] === 10);
      case 'line-end':
        return at === text.length || text[at] === 10;
      case 'text-end':
        return at === text.length;
      case 'word':
      case 'not-word': {
        const before = at > 0 && isWord(text[at - 1] as number);
        const after = at < text.length && isWord(text[at] as number);
        return (before !== after) === (anchor === 'word');
      }
    }
  }

  /** The length of the group's text when it stands at this place, else -1. */
  #backReference(register: number, sameChar: (a: number, b: number) => boolean, at: number): number {
    const from = this.#registers[register] as number;
    const to = this.#registers[register + 1] as number;
    if (from < 0 || to < from || at + to - from > this.#text.length) return -1;
    for (let i = 0; i < to - from; i += 1) {
      if (!sameChar(this.#text[from + i] as number, this.#text[at + i] as number)) return -1;
    }
    this.#steps += to - from;
    return to - from;
  }
}

function testOf(node: RegexNode & { readonly type: 'char' | 'set' }): Test {
  if (node.type === 'set') return setTest(node);
  const wanted = node.code;
  if (!node.ignoreCase) return (code) => code === wanted;
  return (code) => code === wanted || sameIgnoringCase(code, wanted);
}

/** ASCII is answered from a table. */
function setTest(set: CharSet): Test {
  const regex = setRegex(set);
  const table: boolean[] = [];
  for (let code = 0; code < 128; code += 1) table.push(regex.test(String.fromCharCode(code)));
  return (code) => (code < 128 ? (table[code] as boolean) : regex.test(String.fromCodePoint(code)));
}

const WORD = setTest({
  type: 'set',
  negated: false,
  ignoreCase: false,
  items: [{ category: 'w', negated: false, ascii: false }],
});
const ASCII_WORD = setTest({
  type: 'set',
  negated: false,
  ignoreCase: false,
  items: [{ category: 'w', negated: false, ascii: true }],
});

function same(a: number, b: number): boolean {
  return a === b;
}

function sameIgnoringCase(a: number, b: number): boolean {
  if (a === b) return true;
  const [left, right] = [String.fromCodePoint(a), String.fromCodePoint(b)];
  return left.toLowerCase() === right.toLowerCase() || left.toUpperCase() === right.toUpperCase();
}

function fixedWidth(node: RegexNode, widths: ReadonlyMap<number, number>): number {
  switch (node.type) {
    case 'char':
    case 'set':
      return 1;
    case 'group':
    case 'atomic':
      return fixedWidth(node.node, widths);
    case 'repeat':
      return fixedWidth(node.node, widths) * node.min;
    case 'sequence':
      return node.items.reduce((sum, item) => sum + fixedWidth(item, widths), 0);
    case 'choice':
      return fixedWidth(node.options[0] as RegexNode, widths);
    case 'conditional':
      return fixedWidth(node.yes, widths);
    case 'back-reference':
      return widths.get(node.index) ?? 0;
    case 'empty':
    case 'anchor':
    case 'look':
      return 0;
  }
}

function tooCostly(): YaqlError {
  return new YaqlError('LimitExceededException', 'The regular expression takes too many steps');
}
