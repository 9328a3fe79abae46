// Writes docs/actions and the tables of docs/flink-client.md from the declarations: `npm run build && node scripts/action-docs.mjs [BUILD]`.
// test/executors/flink-docs.test.ts compares them.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const build = resolve(process.argv[2] ?? 'dist');
const load = (file) => import(pathToFileURL(resolve(build, file)).href);
const { documentedPages } = await load('executors/docs/pages.js');
const { flinkTables, MARK } = await load('executors/docs/flink-client.js');
const { createCatalogue } = await load('executors/index.js');

await mkdir('docs/actions', { recursive: true });
for (const { file, text } of documentedPages(createCatalogue().list())) await writeFile(`docs/actions/${file}`, text);

const page = await readFile('docs/flink-client.md', 'utf8');
await writeFile('docs/flink-client.md', page.slice(0, page.indexOf(MARK)) + MARK + flinkTables());
