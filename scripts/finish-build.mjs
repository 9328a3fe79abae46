// The second half of `npm run build`: removes compiled files whose source is gone (tsc leaves them, and ava would run them),
// and makes the command line program executable.
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

for (const file of compiledFiles(dist)) {
  const source = join(root, relative(dist, file).replace(/(\.d\.ts|\.js\.map|\.js)$/, '.ts'));
  if (!existsSync(source)) rmSync(file);
}
const program = join(dist, 'api/bin.js');
if (existsSync(program)) chmodSync(program, 0o755);

function compiledFiles(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return compiledFiles(path);
    return /\.(d\.ts|js|js\.map)$/.test(name) ? [path] : [];
  });
}
