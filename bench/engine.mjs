// npm run engine [-- NAME... --quick]: the engine without REST, in this process, on a SQLite file with synchronous=FULL.
// BUILD names the compiled project (default ../dist). Prints time per task by tenths of a run, and throughput beside the bare driver.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from './engine/node.mjs';
import { measures } from './engine/measures.mjs';

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = names.filter((name) => !(name in measures));
if (unknown.length > 0) {
  console.error(`Unknown measure ${unknown.join(', ')}: there are ${Object.keys(measures).join(', ')}`);
  process.exit(2);
}

for (const [name, measure] of Object.entries(measures)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-engine-'));
  const node = await openEngine(join(folder, 'bench.sqlite'));
  try {
    for (const line of await measure(node, quick)) console.log(`${name.padEnd(14)} ${line}`);
  } finally {
    await node.close();
    await rm(folder, { recursive: true, force: true });
  }
}
