import type { FunctionTable } from './context.ts';
import type { FunctionDefinition, Param } from './definitions.ts';
import type { Explanation } from './errors.ts';
import { pyStr } from './python-text.ts';
import { Spelling } from './spelling.ts';
import { kindName, types, type ParamType } from './types.ts';

/** What is known of the arguments of a call that failed: the bits of their kinds, null where it was not evaluated. */
export interface Given {
  /** The receiver of a method first. */
  readonly positional: readonly (number | null)[];
  readonly named: readonly (readonly [string, number | null])[];
}

type CallForm = 'function' | 'method';

/** Nobody knows the name: the nearest one, or the same name called in the other way. */
export function explainUnknown(name: string, form: CallForm, functions: FunctionTable): Explanation | null {
  if (isOperator(name)) return explainOperator(name);
  const other = form === 'function' ? 'method' : 'function';
  if (functions.find(name, other).length > 0) {
    const how = other === 'method' ? `a method: write value.${name}(…)` : `a function: write ${name}(…)`;
    return { hint: `'${name}' is ${how}`, signatures: signatures(name, other, functions) };
  }
  const names = [...functions.names(form)].filter((known) => !isOperator(known));
  const nearest = new Spelling().nearest(name, names) ?? shortened(name, names);
  if (nearest === null) {
    return { hint: `there is no ${form} of this or a similar name`, signatures: [] };
  }
  return { hint: `did you mean '${nearest}'?`, signatures: signatures(nearest, form, functions) };
}

/** `len` for `length`: the longest name of three letters and more that the word begins with, or that begins with the word. */
function shortened(word: string, names: readonly string[]): string | null {
  const near = names.filter(
    (name) => Math.min(name.length, word.length) >= 3 && (word.startsWith(name) || name.startsWith(word)),
  );
  return near.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** No overload takes these arguments: what is wrong with them where that can be told, and what there is. */
export function explainMismatch(
  name: string,
  form: CallForm,
  functions: FunctionTable,
  given: Given,
): Explanation | null {
  const overloads = functions.find(name, form).flat();
  const faults = overloads.map((overload) => faultsOf(overload, form, given));
  const fewest = Math.min(...faults.map((list) => list.length));
  const nearest = faults.filter((list) => list.length === fewest && fewest > 0);
  const [only] = nearest;
  const same = only !== undefined && nearest.every((list) => list.join() === only.join());
  const hint = same ? only.join('; ') : `given: ${describeGiven(given, isOperator(name) ? 'function' : form)}`;
  return { hint, signatures: signatures(name, form, functions) };
}

/** A key that a dict does not have. */
export function explainMissingKey(
  name: string,
  keys: Iterable<unknown>,
  get: (name: string) => string = (key) => `.get(${key})`,
): Explanation {
  const names = [...keys].filter((key): key is string => typeof key === 'string');
  const shown = names.slice(0, SHOWN).map((key) => `'${key}'`);
  const list =
    shown.length === 0 ? 'the dict is empty' : `keys are ${shown.join(', ')}${names.length > SHOWN ? ', …' : ''}`;
  const nearest = new Spelling().didYouMean(name, names);

  return { hint: `${nearest ?? list}; a key that may be missing is read by ${get(name)}`, signatures: [] };
}

const SHOWN = 8;

/** All ways to call a function, innermost scope first. */
export function signatures(name: string, form: CallForm, functions: FunctionTable): readonly string[] {
  return [
    ...new Set(
      functions
        .find(name, form)
        .flat()
        .map((overload) => signature(overload, form)),
    ),
  ];
}

/** `range(start: int, stop: int = null)`, `<collection: iterable>.where(predicate: expression)`, `<left: int> + <right: int>`. */
function signature({ name, params, noKeywords }: FunctionDefinition, form: CallForm): string {
  if (name === '#indexer') {
    const [target = '', ...keys] = params.map((param) => typeName(param.type));
    return `${target}[${keys.join(', ')}]`;
  }
  const operator = operatorText(name);
  if (operator !== null) {
    const sides = params.map((param) => typeName(param.type));
    if (params[0]?.role === 'rest') sides.push(...sides);
    return sides.length === 1 ? `${operator} ${sides[0]}` : sides.join(` ${operator} `);
  }
  const texts = params.map((param) => parameterText(param, noKeywords));
  if (form === 'function') return `${name}(${texts.join(', ')})`;
  const [receiver = '', ...others] = texts;
  return `<${receiver}>.${name}(${others.join(', ')})`;
}

function parameterText({ name, type, role, optional, fallback }: Param, isPaired: boolean): string {
  const kind = typeName(type);
  if (role === 'rest') return isPaired && kind === 'key => value' ? `${kind}, …` : `…: ${kind}`;
  if (role === 'keywords') return 'name => value, …';
  return `${name}: ${kind}${optional ? ` = ${fallbackText(fallback)}` : ''}`;
}

function fallbackText(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'boolean' ? String(value) : pyStr(value);
}

function typeName(type: ParamType): string {
  if (type.lazy !== null) return type.lazy === 'pair' ? 'key => value' : 'expression';
  const isNullable = (type.mask & types.onlyNull.mask) !== 0 && type.mask !== types.any.mask;
  return isNullable && type.name !== 'null' ? `${type.name} or null` : type.name;
}

/** One line for each argument that the overload does not take. */
function faultsOf({ params }: FunctionDefinition, form: CallForm, { positional, named }: Given): readonly string[] {
  const singles = params.filter(({ role }) => role === 'single');
  const rest = params.find(({ role }) => role === 'rest');
  const hasKeywords = params.some(({ role }) => role === 'keywords');
  const faults: string[] = [];
  positional.forEach((bit, i) => {
    const param = singles[i] ?? rest;
    if (param !== undefined && !takes(param, bit)) faults.push(mismatch(param, bit, form === 'method' && i === 0));
  });
  const unknown: string[] = [];
  for (const [name, bit] of named) {
    const param = singles.find((single) => single.name === name);
    if (param === undefined) unknown.push(name);
    else if (singles.indexOf(param) < positional.length) faults.push(`argument '${name}' is given twice`);
    else if (!takes(param, bit)) faults.push(mismatch(param, bit, false));
  }
  if (!hasKeywords) {
    const names = singles.map(({ name }) => name);
    for (const name of unknown) {
      faults.push(new Spelling().didYouMean(name, names) ?? `there is no parameter '${name}'`);
    }
  }
  const receivers = form === 'method' ? 1 : 0;
  if (positional.length > singles.length && rest === undefined) {
    faults.push(`takes ${count(singles.length - receivers)}, but ${positional.length - receivers} are given`);
  }
  for (const param of singles.slice(positional.length)) {
    if (!param.optional && !named.some(([name]) => name === param.name))
      faults.push(`argument '${param.name}' is missing`);
  }
  return faults;
}

function takes({ type }: Param, bit: number | null): boolean {
  return bit === null || type.lazy !== null || (type.mask & bit) !== 0;
}

function mismatch({ name, type, role }: Param, bit: number | null, isReceiver: boolean): string {
  const what = isReceiver ? 'what stands before the dot' : role === 'rest' ? 'an argument' : `argument '${name}'`;
  return `${what} is ${article(kindName(bit ?? 0))}, expected ${typeName(type)}`;
}

function describeGiven({ positional, named }: Given, form: CallForm): string {
  const kinds = positional.map((bit) => (bit === null ? 'expression' : kindName(bit)));
  const names = named.map(([name, bit]) => `${name} => ${bit === null ? 'expression' : kindName(bit)}`);
  if (form === 'function') return [...kinds, ...names].join(', ') || 'no arguments';
  const [receiver = '', ...others] = kinds;
  return `${receiver}.(${[...others, ...names].join(', ')})`;
}

function article(kind: string): string {
  if (kind === 'null') return kind;
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}

function count(parameters: number): string {
  return parameters === 1 ? '1 argument' : `${parameters} arguments`;
}

function isOperator(name: string): boolean {
  return /^[#*]/.test(name);
}

/** `#operator_+` and its kin as they are written; null for a function. */
function operatorText(name: string): string | null {
  if (name === '*equal') return '=';
  if (name === '*not_equal') return '!=';
  return /^#(?:unary_)?operator_(.*)$/.exec(name)?.[1] ?? null;
}

function explainOperator(name: string): Explanation | null {
  const property = /^#property#(.*)$/.exec(name)?.[1];
  if (property === undefined) return null;
  return { hint: `only dicts have keys: '.${property}' stands behind something else`, signatures: [] };
}
