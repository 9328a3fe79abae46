// npm run bench [-- NAME...]: measures a server of this build, in a process of its own on a fresh SQLite file, over REST.
// Prints one line per figure beside its target (design: the targets hold for two cores), and JSON with --json.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measures } from './measures.mjs';
import { BenchServer } from './server.mjs';

const args = process.argv.slice(2);
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = names.filter((name) => !(name in measures));
if (unknown.length > 0) {
  console.error(`Unknown measure ${unknown.join(', ')}: there are ${Object.keys(measures).join(', ')}`);
  process.exit(2);
}

const results = [];
for (const [name, measure] of Object.entries(measures)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-bench-'));
  const server = new BenchServer(folder);
  try {
    for (const figure of await measure(server, folder)) {
      results.push({ measure: name, ...figure });
      if (!args.includes('--json')) console.log(line(name, figure));
    }
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
if (args.includes('--json')) console.log(JSON.stringify(results, null, 2));

function line(name, { what, value, unit, target }) {
  const goal = target === undefined ? '' : `   target ${target}`;
  return `${name.padEnd(12)} ${what.padEnd(46)} ${value.toFixed(1).padStart(9)} ${unit}${goal}`;
}
