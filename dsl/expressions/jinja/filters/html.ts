import { dictEntries, isDict } from '../../../yaql/dicts.ts';
import type { Filter } from '../environment.ts';
import { filterArgumentError, JinjaError, typeError, valueError } from '../errors.ts';
import { stripTags } from '../methods/strings.ts';
import { Markup, Undefined } from '../objects.ts';
import { escaped } from '../operators.ts';
import { iterate, repr, textOf, toIndex, toText, truth, typeName, canIterate } from '../python.ts';
import type { Runtime } from '../runtime.ts';
import { escapeHtml } from '../text.ts';
import { filter } from './filter.ts';
import { urlize } from './urlize.ts';

/** Filters for HTML and URLs. */
export const htmlFilters: readonly [string, Filter][] = [
  ...['e', 'escape'].map((name) => filter(name, [], (value) => new Markup(escaped(value)))),
  filter('forceescape', [], (value) => new Markup(escapeHtml(toText(value)))),
  filter('safe', [], (value) => new Markup(toText(value))),
  filter('striptags', [], (value) => stripTags(toText(value))),
  filter('urlencode', [], (value) => urlEncode(value)),
  filter('xmlattr', [['autospace', true]], xmlAttributes),
  filter(
    'urlize',
    [
      ['trim_url_limit', null],
      ['nofollow', false],
      ['target', null],
      ['rel', null],
      ['extra_schemes', null],
    ],
    linked,
  ),
];

function urlEncode(value: unknown): string {
  if (value instanceof Undefined) value.fail();
  if (textOf(value) !== null || !canIterate(value)) return quoteUrl(toText(value), '/');
  const pairs = isDict(value) ? dictEntries(value) : [...iterate(value)].map(pairOf);
  return [...pairs].map(([key, item]) => `${quoteQuery(key)}=${quoteQuery(item)}`).join('&');
}

function pairOf(item: unknown): readonly [unknown, unknown] {
  const parts = [...iterate(item)];
  if (parts.length > 2) throw valueError('too many values to unpack (expected 2)');
  if (parts.length < 2) throw valueError(`not enough values to unpack (expected 2, got ${parts.length})`);
  return [parts[0], parts[1]];
}

function quoteQuery(value: unknown): string {
  return quoteUrl(toText(value), '').replaceAll('%20', '+');
}

/** UTF-8 percent encoding of everything but letters, digits, `_.-~` and the safe characters. */
function quoteUrl(text: string, safe: string): string {
  if (/\p{Cs}/u.test(text)) throw new JinjaError('UnicodeEncodeError', 'surrogates not allowed');
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%2F/g, safe === '/' ? '/' : '%2F');
}

function xmlAttributes(value: unknown, [autospace]: readonly unknown[], runtime: Runtime): unknown {
  if (value instanceof Undefined) value.fail();
  if (!isDict(value)) throw new JinjaError('AttributeError', `'${typeName(value)}' object has no attribute 'items'`);
  const attributes: string[] = [];
  for (const [key, item] of dictEntries(value)) {
    if (item === null || item instanceof Undefined) continue;
    const name = textOf(key);
    if (name === null) throw typeError(`expected string or bytes-like object, got '${typeName(key)}'`);
    if (/[\t-\r />=]/.test(name)) throw valueError(`Invalid character in attribute name: ${repr(name)}`);
    attributes.push(`${escaped(key)}="${escaped(item)}"`);
  }
  const text = (truth(autospace) && attributes.length > 0 ? ' ' : '') + attributes.join(' ');
  return runtime.isEscaping ? new Markup(text) : text;
}

function linked(value: unknown, args: readonly unknown[], runtime: Runtime): unknown {
  const [limit, nofollow, target, rel, schemes] = args;
  const extraSchemes = schemes === null ? [] : [...iterate(schemes)].map(toText);
  for (const scheme of extraSchemes) {
    if (!/^[\p{L}\p{N}_.+-]{2,}:\/{0,2}$/u.test(scheme)) {
      throw filterArgumentError(`${repr(scheme)} is not a valid URI scheme prefix.`);
    }
  }
  const relations = new Set([...(rel === null ? '' : toText(rel)).split(/\s+/).filter(Boolean), 'noopener']);
  if (truth(nofollow)) relations.add('nofollow');
  const text = urlize(escaped(value), {
    limit: limit === null ? null : toIndex(limit),
    rel: [...relations].sort().join(' '),
    target: target === null ? null : toText(target),
    extraSchemes,
  });
  return runtime.isEscaping ? new Markup(text) : text;
}
