import { type Json, parseJson } from '../json.ts';
import type { WithItemsSpec } from './types.ts';
import { WORD } from './inline-params.ts';

export type WithItemsParse =
  | { readonly kind: 'ok'; readonly spec: WithItemsSpec; readonly source: string; readonly offset: number }
  | { readonly kind: 'format' }
  | { readonly kind: 'array'; readonly text: string; readonly offset: number; readonly error: string };

/** Reads `name in <% … %>`, `name in {{ … }}` or `name in [json, list]` (spec/dsl.md §9). */
export function parseWithItems(text: string): WithItemsParse {
  const match = ENTRY.exec(text);
  const [all = '', variable = '', source = ''] = match ?? [];
  if (match === null) return { kind: 'format' };
  const offset = all.length - source.length;
  if (!source.startsWith('[')) return { kind: 'ok', spec: { variable, source }, source, offset };
  try {
    return { kind: 'ok', spec: { variable, source: parseJson(source) as readonly Json[] }, source, offset };
  } catch (error) {
    return { kind: 'array', text: source, offset, error: error instanceof Error ? error.message : String(error) };
  }
}

/** The entries of a task; of two with the same variable the last one counts. What does not parse is left out. */
export function withItemsOf(value: Json | undefined): readonly WithItemsSpec[] {
  const texts: readonly Json[] = typeof value === 'string' ? [value] : Array.isArray(value) ? value : [];
  const entries = new Map<string, WithItemsSpec>();
  for (const text of texts) {
    const parsed = typeof text === 'string' ? parseWithItems(text) : null;
    if (parsed?.kind === 'ok') entries.set(parsed.spec.variable, parsed.spec);
  }
  return [...entries.values()];
}

const ENTRY = new RegExp(String.raw`^\s*((?:${WORD}|-)+)\s*in\s*(\[[^\n]+\]|\{\{[^\n]*?\}\}|<%[^\n]*?%>)`, 'u');
