// Checks every definition of the language in folders, such as a clone of Mistral's examples: a table of what an upload would say.
//
//   npm run build && node scripts/check-definitions.mjs [--reasons FILE] FOLDER...
//
// Files that are no definitions (other YAML) are counted, not judged. One that is refused must stand in the list of reasons, whose
// lines are `end of the path: reason` (scripts/refused-definitions.txt by default); one that stands there and is accepted is a fault
// as well. Exit status 1 then, and when no definition was found.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = (path) => import(pathToFileURL(join(root, process.env.BUILD_DIR ?? 'dist', path)).href);
const { documentKind, definedNames } = await built('api/commands/document-kind.js');
const { callCheck } = await built('api/call-check.js');
const { formatProblem } = await built('dsl/errors.js');
const { validate } = await built('dsl/index.js');
const { Problems } = await built('dsl/problems.js');
const { readYaml } = await built('dsl/yaml.js');
const { createCatalogue } = await built('executors/index.js');

const { values, positionals } = parseArgs({
  options: { reasons: { type: 'string', default: join(root, 'scripts/refused-definitions.txt') } },
  allowPositionals: true,
});
if (positionals.length === 0) {
  console.error('usage: node scripts/check-definitions.mjs [--reasons FILE] FOLDER...');
  process.exit(2);
}

const reasons = readReasons(values.reasons);
const files = positionals.flatMap((folder) => filesIn(folder).map((file) => ({ folder, file })));
const definitions = files.filter(({ file }) => isDefinition(read(file)));
const catalogue = createCatalogue();
const names = definitions.map(({ file }) => definedNames(documentKind(read(file)), read(file)));
const host = {
  actions: [...catalogue.list().map(({ name }) => name), ...names.flatMap(({ actions }) => actions)],
  workflows: names.flatMap(({ workflows }) => workflows),
  checkCall: callCheck(catalogue, 'upload'),
};

const judged = definitions.map(({ folder, file }) => {
  const text = read(file);
  const kind = documentKind(text);
  const problems = validate(kind, text, host);
  const errors = problems.filter(({ severity }) => severity === 'error');
  const path = relative(dirname(folder), file);
  const reason = reasons.find(({ end }) => path === end || path.endsWith(`/${end}`))?.reason ?? null;
  return { path, kind, errors, warnings: problems.length - errors.length, reason, problems };
});

const width = Math.max(4, ...judged.map(({ path }) => path.length));
let faults = 0;
console.log(`${'file'.padEnd(width)}  kind      verdict`);
for (const { path, kind, errors, warnings, reason, problems } of judged) {
  const isExpected = errors.length > 0 === (reason !== null);
  if (!isExpected) faults++;
  const verdict = errors.length > 0 ? 'refused' : warnings > 0 ? `accepted, ${warnings} warnings` : 'accepted';
  const known = reason === null ? '' : errors.length > 0 ? `: ${reason}` : ', although a reason stands in the list';
  console.log(`${path.padEnd(width)}  ${kind.padEnd(8)}  ${verdict}${known}`);
  for (const problem of problems) console.log(`${' '.repeat(width + 12)}${problem.severity} ${formatProblem(problem)}`);
}
const refused = judged.filter(({ errors }) => errors.length > 0).length;
console.log(
  `${judged.length} definitions: ${judged.length - refused} accepted, ${refused} refused, ${faults} not as listed; ${files.length - judged.length} other files`,
);
if (judged.length === 0) console.error('no definition was found');
process.exit(faults > 0 || judged.length === 0 ? 1 : 0);

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ya?ml|mistral)$/.test(entry.name) && !entry.parentPath.includes('.git/'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Texts that hold tasks or bases of actions somewhere near the top; what cannot be read shows it by its lines. */
function isDefinition(text) {
  const { readable } = readYaml(text, new Problems());
  if (readable === undefined) return /^version:/m.test(text) && /^\s+(?:tasks|base):/m.test(text);
  return holds(readable, 3);
}

function holds(value, depth) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  if (depth < 3 && (isMapping(value.tasks) || typeof value.base === 'string')) return true;
  return depth > 0 && Object.values(value).some((inner) => holds(inner, depth - 1));
}

function isMapping(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function readReasons(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const colon = line.indexOf(': ');
      if (colon === -1) throw new Error(`${file}: a line must be 'end of the path: reason', not '${line}'`);
      return { end: line.slice(0, colon).trim(), reason: line.slice(colon + 2).trim() };
    });
}

function read(file) {
  return readFileSync(file, 'utf8');
}
