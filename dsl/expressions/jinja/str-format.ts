import type { CallArguments } from './calls.ts';
import { JinjaError, valueError } from './errors.ts';
import { formatValue } from './format-spec.ts';
import { asciiRepr } from './percent-format.ts';
import { repr, toText } from './python.ts';
import type { Runtime } from './runtime.ts';

/** How fields such as `{a.b[0]}` are looked up: by the rules of the sandbox. */
export interface FieldAccess {
  readonly attribute: (object: unknown, name: string) => unknown;
  readonly item: (object: unknown, key: unknown) => unknown;
}

/** `format.format(*args, **kwargs)`. @throws ValueError, IndexError, KeyError */
export function formatBraces(
  format: string,
  args: CallArguments,
  runtime: Runtime,
  access: FieldAccess,
  finish: (text: string) => string = (text) => text,
): string {
  const formatter = new BraceFormat(args, runtime, access, finish);
  const result = formatter.run(format, 2);
  runtime.checkSize(result.length);
  return result;
}

class BraceFormat {
  private readonly args: CallArguments;
  private readonly runtime: Runtime;
  private readonly access: FieldAccess;
  private readonly finish: (text: string) => string;
  private automatic = 0;
  private numbering: 'automatic' | 'manual' | null = null;

  constructor(args: CallArguments, runtime: Runtime, access: FieldAccess, finish: (text: string) => string) {
    this.args = args;
    this.runtime = runtime;
    this.access = access;
    this.finish = finish;
  }

  run(format: string, depth: number): string {
    if (depth < 0) throw valueError('Max string recursion exceeded');
    let result = '';
    let at = 0;
    while (at < format.length) {
      const brace = format.slice(at).search(/[{}]/);
      if (brace < 0) return result + format.slice(at);
      result += format.slice(at, at + brace);
      at += brace;
      if (format[at + 1] === format[at]) {
        result += format[at];
        at += 2;
      } else if (format[at] === '}') {
        throw valueError("Single '}' encountered in format string");
      } else {
        const end = fieldEnd(format, at);
        result += this.field(format.slice(at + 1, end), depth);
        at = end + 1;
      }
    }
    return result;
  }

  private field(body: string, depth: number): string {
    const { name, conversion, spec } = splitField(body);
    const value = this.value(name);
    const converted = conversion === null ? value : convert(value, conversion);
    return this.finish(formatValue(converted, this.run(spec, depth - 1), this.runtime));
  }

  private value(name: string): unknown {
    const first = /^[^.[]*/.exec(name)?.[0] ?? '';
    let value = this.first(first);
    let rest = name.slice(first.length);
    while (rest !== '') {
      const part = /^(?:\.([^.[]+)|\[([^\]]+)\])/.exec(rest);
      if (part === null) throw valueError('Empty attribute in format string');
      const [whole, attribute, index = ''] = part;
      if (attribute !== undefined) value = this.access.attribute(value, attribute);
      else value = this.access.item(value, /^\d+$/.test(index) ? Number(index) : index);
      rest = rest.slice(whole.length);
    }
    return value;
  }

  private first(name: string): unknown {
    if (name !== '' && !/^\d+$/.test(name)) return this.keyword(name);
    const numbering = name === '' ? 'automatic' : 'manual';
    if (this.numbering !== null && this.numbering !== numbering) {
      throw valueError(
        numbering === 'manual'
          ? 'cannot switch from automatic field numbering to manual field specification'
          : 'cannot switch from manual field specification to automatic field numbering',
      );
    }
    this.numbering = numbering;
    const index = name === '' ? this.automatic++ : Number(name);
    if (index < this.args.positional.length) return this.args.positional[index];
    throw new JinjaError('IndexError', `Replacement index ${index} out of range for positional args tuple`);
  }

  private keyword(name: string): unknown {
    if (this.args.keywords.has(name)) return this.args.keywords.get(name);
    throw new JinjaError('KeyError', repr(name));
  }
}

/** Offset of the brace that closes the field opened at `start`. */
function fieldEnd(format: string, start: number): number {
  let depth = 0;
  for (let at = start; at < format.length; at++) {
    if (format[at] === '{') depth++;
    else if (format[at] === '}' && --depth === 0) return at;
  }
  throw valueError(
    start === format.length - 1 ? "Single '{' encountered in format string" : "expected '}' before end of string",
  );
}

function splitField(body: string): { name: string; conversion: string | null; spec: string } {
  const match = /^((?:[^!:[]|\[[^\]]*\])*)(?:!([^:]?))?(?::([^]*))?$/.exec(body);
  if (match === null) throw valueError("expected ':' after conversion specifier");
  const [, name = '', conversion, spec = ''] = match;
  if (conversion === '') throw valueError('end of string while looking for conversion specifier');
  return { name, conversion: conversion ?? null, spec };
}

function convert(value: unknown, conversion: string): string {
  if (conversion === 's') return toText(value);
  if (conversion === 'r') return repr(value);
  if (conversion === 'a') return asciiRepr(value);
  throw valueError(`Unknown conversion specifier ${conversion}`);
}
