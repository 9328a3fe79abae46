import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';

/** The OpenAPI document as a page of its own: no scripts, nothing fetched from elsewhere. */
export function docsPage(document: JsonObject): string {
  const operations = Object.entries(objectOf(document['paths'])).flatMap(([path, methods]) =>
    Object.entries(objectOf(methods)).map(([method, operation]) => ({ path, method, operation: objectOf(operation) })),
  );
  const groups = groupBy(operations, ({ operation }) => tagOf(operation));
  const info = objectOf(document['info']);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(info['title'])} API</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(info['title'])} API <small>${escape(info['version'])}</small></h1>
<p>${escape(info['description'])} The same as a document for programs: <a href="openapi.json">openapi.json</a>.</p>
<nav>${[...groups.keys()].map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join(' ')}</nav>
${[...groups].map(([tag, items]) => `<h2 id="${escape(tag)}">${escape(tag)}</h2>\n${items.map(showOperation).join('\n')}`).join('\n')}
</body>
</html>
`;
}

interface Item {
  readonly path: string;
  readonly method: string;
  readonly operation: JsonObject;
}

function showOperation({ path, method, operation }: Item): string {
  const parameters = Array.isArray(operation['parameters']) ? operation['parameters'].map(objectOf) : [];
  const own = operation['x-extension'] === true ? ' <i>extension</i>' : '';
  return `<details><summary><b class="${method}">${method.toUpperCase()}</b> <code>${escape(path)}</code> ${escape(operation['summary'])}${own}</summary>
${parameters.length === 0 ? '' : `<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>${parameters.map(showParameter).join('')}</table>`}
${showContent('Body', objectOf(operation['requestBody']))}
${Object.entries(objectOf(operation['responses']))
  .map(([status, response]) => showContent(`Reply ${status}`, objectOf(response)))
  .join('\n')}
</details>`;
}

function showParameter(parameter: JsonObject): string {
  const cells = [parameter['name'], parameter['in'], typeOf(objectOf(parameter['schema'])), parameter['description']];
  return `<tr>${cells.map((cell) => `<td>${escape(cell ?? '')}</td>`).join('')}</tr>`;
}

function showContent(title: string, holder: JsonObject): string {
  const contents = Object.entries(objectOf(holder['content']));
  if (contents.length === 0) return '';
  return contents
    .map(([media, content]) => {
      const schema = JSON.stringify(objectOf(content)['schema'] ?? {}, null, 2);
      return `<p>${escape(title)}: <code>${escape(media)}</code></p><pre>${escape(schema)}</pre>`;
    })
    .join('');
}

function typeOf(schema: JsonObject): string {
  const type = schema['type'];
  return Array.isArray(type) ? type.join(' | ') : String(type ?? 'any');
}

function tagOf(operation: JsonObject): string {
  const tags = operation['tags'];
  return Array.isArray(tags) ? String(tags[0] ?? '') : '';
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function escape(value: Json | undefined): string {
  return String(value ?? '').replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
nav a { margin-right: 1rem; }
details { border-bottom: 1px solid #8884; padding: .3rem 0; }
summary { cursor: pointer; }
summary b { display: inline-block; width: 4.5rem; }
b.get { color: #2a7; } b.post { color: #27c; } b.put { color: #b70; } b.delete { color: #c33; }
pre { max-height: 22rem; overflow: auto; background: #8882; padding: .5rem; }
td, th { text-align: left; padding: 0 1rem .1rem 0; vertical-align: top; }
`;
