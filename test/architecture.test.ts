import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, relative, sep } from 'node:path';
import test from 'ava';
import { projectRoot } from './helpers/project.ts';

/**
 * dsl/yaql  <-  dsl  <-  processes  <-  engine/core  <-  engine  <-  cluster-pool  <-  executors  <-  api
 *
 * A room is the longest of these paths that a file lies under; it imports itself and what stands to its left. The engine's
 * contract with the executors is a room of types between dsl and the core. `packages` names the npm packages and built-in
 * modules where the list is closed.
 */
const ROOMS: readonly { readonly path: string; readonly packages: readonly string[] | 'any' }[] = [
  { path: 'dsl/yaql', packages: [] },
  { path: 'dsl', packages: ['js-yaml', 'node:crypto'] },
  { path: 'processes', packages: 'any' },
  { path: 'engine/contract.ts', packages: [] },
  { path: 'engine/core', packages: [] },
  { path: 'engine', packages: 'any' },
  { path: 'cluster-pool', packages: 'any' },
  { path: 'executors', packages: 'any' },
  { path: 'api', packages: 'any' },
];

/** engine/core decides and nothing else: whatever surprises comes in as an argument. */
const FORBIDDEN_IN_CORE =
  /\b(Date\.now|new Date\(\)|Math\.random|randomUUID|setTimeout|setInterval|performance\.now|await |async |Promise\b)/;

const IMPORT = /^\s*(?:import|export)\b[^'"]*?from\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

const files = await sourceFiles();

for (const [index, room] of ROOMS.entries()) {
  test(`${room.path} imports only what the arrows allow`, async (t) => {
    const own = files.filter((file) => roomOf(file) === index);
    t.true(own.length > 0, `there are no files in ${room.path}`);
    const complaints = await Promise.all(own.map((file) => forbiddenImports(file, index)));
    t.deepEqual(complaints.flat(), []);
  });
}

test('engine/core has no clock, no randomness and no promises', async (t) => {
  const complaints = await Promise.all(
    files
      .filter((file) => file.startsWith('engine/core/'))
      .map(async (file) => {
        const match = FORBIDDEN_IN_CORE.exec(withoutComments(await readFile(join(projectRoot, file), 'utf8')));
        return match === null ? [] : [`${file}: ${match[0]}`];
      }),
  );
  t.deepEqual(complaints.flat(), []);
});

test('only api/main.ts and the command line read the environment or end the process', async (t) => {
  const complaints = await Promise.all(
    files
      .filter((file) => !file.startsWith('api/'))
      .map(async (file) => {
        const match = /\bprocess\.(env|exit)\b/.exec(withoutComments(await readFile(join(projectRoot, file), 'utf8')));
        return match === null ? [] : [`${file}: ${match[0]}`];
      }),
  );
  t.deepEqual(complaints.flat(), []);
});

async function forbiddenImports(file: string, room: number): Promise<string[]> {
  const text = await readFile(join(projectRoot, file), 'utf8');
  const packages = ROOMS[room]?.packages ?? [];
  return [...text.matchAll(IMPORT)].flatMap((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? '';
    if (!target.startsWith('.'))
      return packages === 'any' || packages.includes(target) ? [] : [`${file} imports the package ${target}`];
    const path = normalize(join(dirname(file), target));
    const other = roomOf(path);
    return other !== -1 && other <= room ? [] : [`${file} imports ${path}`];
  });
}

/** Index in {@link ROOMS}, -1 for a file that lies in none. */
function roomOf(file: string): number {
  const path = file.split(sep).join('/');
  const lengths = ROOMS.map((room) => (path === room.path || path.startsWith(`${room.path}/`) ? room.path.length : 0));
  const longest = Math.max(...lengths);
  return longest === 0 ? -1 : lengths.indexOf(longest);
}

async function sourceFiles(): Promise<string[]> {
  const tops = [...new Set(ROOMS.map((room) => room.path.split('/')[0] ?? ''))];
  const lists = await Promise.all(
    tops.map(async (top) => {
      const entries = await readdir(join(projectRoot, top), { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
        .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)));
    }),
  );
  return lists.flat();
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[^:'"`])\/\/.*$/gm, '$1');
}
