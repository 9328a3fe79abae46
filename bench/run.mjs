// npm run bench [-- NAME... --quick --json --list]: every row of the design's table of numbers, each group in a process of its own.
// Prints a table per group while it goes, and writes what was measured into RESULTS.md (groups that did not run keep their last figures).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
await installOnce();
const { GROUPS } = await import('./groups.mjs');
const { Servers } = await import('./servers.mjs');
const { describeMachine, isMet, saveResults, table } = await import('./report.mjs');

const args = process.argv.slice(2);
const option = (name) => args.includes(`--${name}`);
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = [
  ...names.filter((name) => !GROUPS.some((group) => group.name === name)),
  ...args.filter((arg) => arg.startsWith('--') && !OPTIONS().includes(arg)),
];
if (option('help') || option('list')) {
  console.log('npm run bench [-- NAME... --quick --json --list]\n');
  for (const { name, about } of GROUPS) console.log(`  ${name.padEnd(14)} ${about}`);
} else if (unknown.length > 0) {
  console.error(
    `${unknown.join(', ')} is not known. Groups: ${GROUPS.map(({ name }) => name).join(', ')}; options: ${OPTIONS().join(' ')}`,
  );
  process.exitCode = 2;
} else if (option('group')) {
  await runOne(names[0]);
} else {
  await runAll();
}

function OPTIONS() {
  return ['--help', '--list', '--quick', '--json', '--group'];
}

async function runAll() {
  const chosen = GROUPS.filter(({ name }) => names.length === 0 || names.includes(name));
  const measured = {};
  let failed = 0;
  for (const [i, { name, about }] of chosen.entries()) {
    const say = (text) => option('json') || console.log(text);
    say(`\n[${i + 1}/${chosen.length}] ${name}: ${about}`);
    const startedAt = Date.now();
    const { figures, error } = await inProcess(name);
    const seconds = (Date.now() - startedAt) / 1000;
    if (error !== null) failed += 1;
    measured[name] = { figures, error, seconds, at: new Date().toISOString(), quick: option('quick') };
    say(error === null ? table(figures) : `failed: ${error}`);
    // After each, so that a run that is broken off has not been for nothing.
    await saveResults(HERE, measured, GROUPS, await describeMachine());
  }
  const figures = Object.values(measured).flatMap((group) => group.figures);
  const missed = figures.filter((figure) => isMet(figure) === false);
  if (option('json')) console.log(JSON.stringify(measured, null, 2));
  else {
    const targets = figures.filter(({ target }) => target !== undefined).length;
    console.log(`\n${targets - missed.length} of ${targets} targets met; RESULTS.md is written`);
    for (const { what, target } of missed) console.log(`  missed: ${what} (${target})`);
  }
  // A missed target is no failure: how fast it is here is for the reader to judge. A measure that breaks is one.
  process.exitCode = failed > 0 ? 1 : 0;
}

/** A process for each group: what one leaves in the heap, or has compiled, is not the next one's. */
function inProcess(name) {
  return new Promise((resolve) => {
    const options = [
      '--expose-gc',
      fileURLToPath(import.meta.url),
      '--group',
      name,
      ...(option('quick') ? ['--quick'] : []),
    ];
    const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('exit', (code) => {
      const line = output.trimEnd().split('\n').at(-1) ?? '';
      if (code === 0) resolve({ figures: JSON.parse(line), error: null });
      else resolve({ figures: [], error: `it ended with ${code}` });
    });
  });
}

async function runOne(name) {
  const { run } = GROUPS.find((group) => group.name === name);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-bench-'));
  const servers = new Servers(folder);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, async () => {
      await servers.stop();
      await rm(folder, { recursive: true, force: true });
      process.exit(1);
    });
  }
  const progress = (text) => console.error(`  ${name}: ${text}`);
  try {
    const figures = await run({ folder, servers, quick: option('quick'), progress });
    process.stdout.write(`${JSON.stringify(figures)}\n`);
  } finally {
    await servers.stop();
    await rm(folder, { recursive: true, force: true });
  }
  // What a contender leaves open must not hold the run.
  process.exit();
}

/** What is compared with is installed on the first run. */
async function installOnce() {
  if (existsSync(join(HERE, 'node_modules/@dbos-inc')) && existsSync(join(HERE, 'node_modules/jmespath'))) return;
  console.error('installing what is compared with ...');
  const child = spawn('npm', ['ci', '--no-audit', '--no-fund', '--silent'], {
    cwd: HERE,
    stdio: ['ignore', 2, 'inherit'],
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`npm ci in bench ended with ${code}`);
}
