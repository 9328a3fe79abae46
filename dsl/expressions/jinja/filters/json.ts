import { jsonText, NotSerializable } from '../../json-text.ts';
import { type Filter } from '../environment.ts';
import { typeError } from '../errors.ts';
import { Markup, Undefined } from '../objects.ts';
import { textOf, toIndex } from '../python.ts';
import { prettyText } from '../pretty-print.ts';
import { filter } from './filter.ts';

export const jsonFilters: readonly [string, Filter][] = [
  filter('tojson', [['indent', null]], (value, [indent]) => toJson(value, indent)),
  filter('pprint', [], (value) => prettyText(value)),
];

/** JSON text with sorted keys, safe to stand in HTML. */
function toJson(value: unknown, indent: unknown): Markup {
  if (value instanceof Undefined) throw typeError('Object of type StrictUndefined is not JSON serializable');
  try {
    const text = jsonText(value, {
      indent: indent === null ? null : (textOf(indent) ?? toIndex(indent)),
      sortKeys: true,
      convert: (member) => (member instanceof Markup ? member.text : undefined),
    });
    return new Markup(text.replace(/[<>&']/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`));
  } catch (error) {
    if (error instanceof NotSerializable) throw typeError(error.message);
    throw error;
  }
}
