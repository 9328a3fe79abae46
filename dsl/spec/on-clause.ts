import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { type InlineValue, type LostText, parseInlineParams, WORD } from './inline-params.ts';
import { ENGINE_COMMANDS, type EngineCommand, type Transition } from './types.ts';

export interface NextCall {
  readonly to: string;
  readonly params: JsonObject;
  readonly values: readonly InlineValue[];
  readonly lost: readonly LostText[];
}

/** Reads `name`, `name key=value` and `name(key=value)`, the last one with or without blanks (spec/dsl.md §7, §17-H). */
export function parseNext(text: string): NextCall | null {
  const match = text.includes('=') ? (CALL.exec(text) ?? WITH_PARAMS.exec(text)) : null;
  if (match !== null) {
    const [, to = '', written = ''] = match;
    const inside = parseInlineParams(written);
    const start = text.indexOf(written, to.length);
    return {
      to,
      params: inside.params,
      values: inside.values.map((value) => ({
        ...value,
        offset: value.offset + start,
        nameOffset: value.nameOffset + start,
      })),
      lost: inside.lost.map((piece) => ({ ...piece, offset: piece.offset + start })),
    };
  }
  return /^\S+$/.test(text) ? { to: text, params: {}, values: [], lost: [] } : null;
}

/** Where a transition is written, relative to its clause, and what it says. */
export interface WrittenTransition {
  readonly path: readonly (string | number)[];
  readonly at: 'key' | 'value';
  readonly transition: Transition;
}

/** The transitions of a clause in all its forms (spec/dsl.md §7, §17-I); what does not parse is left out. */
export function transitionsOf(clause: Json | undefined): readonly WrittenTransition[] {
  if (!isJsonObject(clause) || !isAdvanced(clause)) return nextOf(clause, []);
  return Object.hasOwn(clause, 'next') ? nextOf(clause['next'], ['next']) : [];
}

/** The `publish` of a clause; null when the clause has none. */
export function clausePublish(clause: Json | undefined): JsonObject | null {
  if (!isJsonObject(clause) || !isAdvanced(clause)) return null;
  const publish = Object.hasOwn(clause, 'publish') ? clause['publish'] : null;
  return isJsonObject(publish) ? publish : null;
}

export function isEngineCommand(name: string): name is EngineCommand {
  return (ENGINE_COMMANDS as readonly string[]).includes(name);
}

function isAdvanced(clause: JsonObject): boolean {
  return Object.hasOwn(clause, 'publish') || Object.hasOwn(clause, 'next');
}

function nextOf(next: Json | undefined, path: readonly (string | number)[]): WrittenTransition[] {
  if (typeof next === 'string') return written(next, null, path, 'value');
  if (Array.isArray(next)) return next.flatMap((item: Json, i) => nextOf(item, [...path, i]));
  if (!isJsonObject(next)) return [];
  return Object.keys(next).flatMap((key) => {
    const condition = next[key];
    return typeof condition === 'string' ? written(key, condition, [...path, key], 'key') : [];
  });
}

function written(
  text: string,
  condition: string | null,
  path: readonly (string | number)[],
  at: 'key' | 'value',
): WrittenTransition[] {
  const call = parseNext(text);
  if (call === null) return [];
  const command = isEngineCommand(call.to) ? call.to : null;
  return [{ path, at, transition: { to: call.to, command, condition, params: call.params } }];
}

const CALL = new RegExp(String.raw`^(${WORD}+)\((${WORD}+=[^\n]*)\)$`, 'u');
const WITH_PARAMS = new RegExp(String.raw`^(${WORD}+) (${WORD}+=[^\n]*)$`, 'u');
