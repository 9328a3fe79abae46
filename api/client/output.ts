import { dump } from 'js-yaml';
import { isJsonObject, parseJson, stringifyJson } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { Format } from './formats.ts';

/** Items as a table of some columns, or as they are. */
export function showList(items: readonly JsonObject[], columns: readonly string[], format: Format): string {
  // For scripts: a line for each item, its values in the order of the columns, with tabs between them.
  if (format === 'value')
    return items.map((item) => `${columns.map((name) => oneLine(item[name])).join('\t')}\n`).join('');
  if (format !== 'table') return showValue(items.map(opened), format);
  if (items.length === 0) return '';
  const rows = [
    columns.map((name) => name.replaceAll('_', ' ').toUpperCase()),
    ...items.map((item) => columns.map((name) => cell(item[name]))),
  ];
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => width(row[i] ?? ''))));
  return rows
    .map(
      (row) =>
        `${row
          .map((text, i) => pad(text, widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** One item: a line for each field, or as it is. */
export function showItem(item: JsonObject, format: Format): string {
  if (format === 'value')
    return Object.values(item)
      .map((value) => `${oneLine(value)}\n`)
      .join('');
  if (format !== 'table') return showValue(opened(item), format);
  const entries = Object.entries(item);
  const widest = Math.max(0, ...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(widest)}  ${long(value, widest + 2)}\n`).join('');
}

/** Data, such as an output: JSON unless YAML is asked for. */
export function showValue(value: Json, format: Format): string {
  if (format === 'value' && !Array.isArray(value) && !isJsonObject(value)) return `${long(value, 0)}\n`;
  if (format === 'yaml') return dump(JSON.parse(stringifyJson(value)), { lineWidth: 120 });
  return `${JSON.stringify(JSON.parse(stringifyJson(value)), null, 2)}\n`;
}

/** JSON inside a text, as itself. */
export function valueOf(text: Json | undefined): Json {
  if (typeof text !== 'string') return text ?? null;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

const JSON_FIELDS: ReadonlySet<string> = new Set([
  'input',
  'output',
  'params',
  'published',
  'published_global',
  'runtime_context',
  'variables',
  'workflow_input',
  'workflow_params',
  'interface',
  'result',
]);

/** Programs want objects where the API sends text that holds them. What is no object stays text, such as a workflow's `input`. */
function opened(item: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(item).map(([name, value]): [string, Json] => {
      if (!JSON_FIELDS.has(name) || typeof value !== 'string') return [name, value];
      const inner = valueOf(value);
      return [name, isJsonObject(inner) || Array.isArray(inner) || name === 'result' ? inner : value];
    }),
  );
}

const MOST_IN_CELL = 60;

function cell(value: Json | undefined): string {
  const text = oneLine(value);
  return text.length > MOST_IN_CELL ? `${text.slice(0, MOST_IN_CELL - 1)}…` : text;
}

function oneLine(value: Json | undefined): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(oneLine).join(', ');
  return (typeof value === 'string' ? value : stringifyJson(value)).replaceAll(/\s*\n\s*/g, ' ');
}

function long(value: Json, indent: number): string {
  const text = value === null ? '' : typeof value === 'string' ? value : stringifyJson(value);
  return text.trimEnd().replaceAll('\n', `\n${' '.repeat(indent)}`);
}

function pad(text: string, to: number): string {
  return text + ' '.repeat(Math.max(0, to - width(text)));
}

/** Characters, not code units. */
function width(text: string): number {
  return [...text].length;
}
