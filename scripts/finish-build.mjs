// The second half of `npm run build`: removes compiled files whose source is gone (tsc leaves them, and ava would run them),
// makes the command line program executable, and writes the JSON Schema of the workflow language.
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

for (const file of compiledFiles(dist)) {
  const source = join(root, relative(dist, file).replace(/(\.d\.ts|\.js\.map|\.js)$/, '.ts'));
  if (!existsSync(source)) rmSync(file);
}
const program = join(dist, 'api/bin.js');
if (existsSync(program)) chmodSync(program, 0o755);

const { dslSchema } = await import(pathToFileURL(join(dist, 'dsl/schema.js')).href);
mkdirSync(join(root, 'schema'), { recursive: true });
writeFileSync(join(root, 'schema/workflow-2.0.schema.json'), `${JSON.stringify(dslSchema(), null, 2)}\n`);

function compiledFiles(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return compiledFiles(path);
    return /\.(d\.ts|js|js\.map)$/.test(name) ? [path] : [];
  });
}
