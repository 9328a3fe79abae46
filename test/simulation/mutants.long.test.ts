import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { MUTANTS } from './mutants.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const PLANT = new URL('./plant.js', import.meta.url).href;

for (const { name, seeds } of MUTANTS) {
  test.serial(`the simulation finds it when ${name}`, async (t) => {
    t.timeout(600_000);
    const { code, output } = await simulate(name, seeds);
    t.is(code, 1, output);
    const seed = /^seed (\d+) failed: (.*)$/m.exec(output);
    t.truthy(seed, output);
    t.log(`${seed?.[0] ?? ''}`.slice(0, 200));
  });
}

function simulate(mutant: string, seeds: number): Promise<{ readonly code: number; readonly output: string }> {
  const args = ['--import', PLANT, MAIN, '--seeds', String(seeds), '--no-shrink', '--stop-at', '1'];
  const env = { ...process.env, SIMULATION_MUTANT: mutant };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 2, output: stdout + stderr });
    });
  });
}
