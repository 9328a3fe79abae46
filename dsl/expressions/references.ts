import { isJsonObject, type Json } from '../json.ts';
import { findYaql, languageOf, stripped, withoutDelimiters } from './find.ts';
import { JinjaError } from './jinja/errors.ts';
import { templateOf } from './jinja.ts';
import { collectJinjaBody } from './jinja-references.ts';
import { ReferenceCollector, type References } from './reference-collector.ts';
import { YaqlSyntaxError } from '../yaql/errors.ts';
import { collectYaql } from './yaql-references.ts';
import { compiled } from './yaql.ts';

export type { References } from './reference-collector.ts';

/**
 * What the expressions in a value name, read from their syntax trees: it may name more than they use, never less. Texts that do
 * not parse name nothing, since they fail whenever they are evaluated.
 */
export function references(value: Json): References {
  const collector = new ReferenceCollector();
  collectFrom(value, collector);
  return collector.references();
}

function collectFrom(value: Json, collector: ReferenceCollector): void {
  if (typeof value === 'string') collectFromText(value, collector);
  else if (Array.isArray(value)) for (const item of value) collectFrom(item, collector);
  else if (isJsonObject(value)) for (const key of Object.keys(value)) collectFrom(value[key] ?? null, collector);
}

function collectFromText(text: string, collector: ReferenceCollector): void {
  const language = languageOf(text);
  if (language === 'yaql') {
    for (const { whole } of findYaql(text)) {
      ignoringFaults(collector, () => collectYaql(compiled(stripped(withoutDelimiters(whole))).tree, collector));
    }
  } else if (language === 'jinja') {
    ignoringFaults(collector, () => collectJinja(text, collector));
  }
}

function collectJinja(text: string, collector: ReferenceCollector): void {
  collectJinjaBody(templateOf(text), collector);
}

/** A tree that is too deep to walk may name anything. */
function ignoringFaults(collector: ReferenceCollector, collect: () => void): void {
  try {
    collect();
  } catch (error) {
    if (error instanceof RangeError) collector.everything();
    else if (!(error instanceof JinjaError || error instanceof YaqlSyntaxError)) throw error;
  }
}
