import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * A figure: `{what, value | samples, unit, target?}`. Of samples the median counts, with the spread beside it; `target` is a text
 * such as `>= 50` or `<= 1.2`.
 */
export function valueOf({ value, samples }) {
  if (samples === undefined) return value;
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Whether the target is met; null where there is none. */
export function isMet(figure) {
  const [, sign, number] = /^(<=|>=) ([\d.]+)/.exec(figure.target ?? '') ?? [];
  if (sign === undefined) return null;
  return sign === '<=' ? valueOf(figure) <= Number(number) : valueOf(figure) >= Number(number);
}

/** For a terminal. */
export function table(figures) {
  return figures.map((figure) => `  ${row(figure).join('  ')}`).join('\n');

  function row(figure) {
    const { what, value, spread, target, met } = cells(figure);
    return [what.padEnd(68), value.padStart(16), spread.padEnd(22), target.padEnd(10), met];
  }
}

/** Writes RESULTS.md, and beside it the same as data, from which the groups that did not run this time are taken. */
export async function saveResults(folder, measured, groups, machine) {
  const file = join(folder, 'results.json');
  const before = await readFile(file, 'utf8').then(JSON.parse, () => ({}));
  const all = { ...before };
  for (const [name, result] of Object.entries(measured)) all[name] = { ...result, machine };
  const known = groups.filter(({ name }) => all[name] !== undefined);
  await writeFile(file, `${JSON.stringify(Object.fromEntries(known.map(({ name }) => [name, all[name]])), null, 1)}\n`);
  const parts = known.map(({ name, about }) => section(name, about, all[name]));
  await writeFile(join(folder, 'RESULTS.md'), `${HEAD}\n${parts.join('\n')}`);
}

const HEAD = `# Results

Written by \`npm run bench\`; see README.md for what is measured. A figure with a spread is the median of its samples. Ratios are between what ran
in turns within one run; absolute figures say little about another machine. A group that was not run keeps its last figures, with their date.
`;

function section(name, about, { figures, error, at, quick, seconds, machine }) {
  const head = `## ${name}\n\n${about}. ${at.slice(0, 16).replace('T', ' ')} UTC, ${seconds.toFixed(0)} s${quick ? ', quick form' : ''}; ${machine}.\n`;
  if (error !== null) return `${head}\nThe last run failed: ${error}.\n`;
  const rows = figures.map((figure) => {
    const { what, value, spread, target, met } = cells(figure);
    return `| ${what} | ${value} | ${spread} | ${target} | ${met} |`;
  });
  return `${head}\n| What | Median | Spread | Target | |\n|---|---:|---|---|---|\n${rows.join('\n')}\n`;
}

function cells(figure) {
  const { what, samples, unit, target } = figure;
  const met = isMet(figure);
  return {
    what,
    value: `${short(valueOf(figure))} ${unit}`.trim(),
    spread:
      samples === undefined || samples.length < 2
        ? ''
        : `${short(Math.min(...samples))} ... ${short(Math.max(...samples))}`,
    target: target ?? '',
    met: met === null ? '' : met ? 'met' : 'MISSED',
  };
}

function short(value) {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  return size >= 100
    ? value.toFixed(0)
    : size >= 10
      ? value.toFixed(1)
      : size >= 0.1
        ? value.toFixed(2)
        : value.toPrecision(2);
}

/** Size of the machine and versions of what was measured, in one line. */
export async function describeMachine() {
  const models = cpus();
  const versions = ['tramontane', 'bullmq', 'koa', 'sqlite3'].map((name) => {
    const file = name === 'tramontane' ? '../package.json' : `${name}/package.json`;
    return `${name} ${installedVersion(file)}`;
  });
  return `${models.length} x ${models[0]?.model ?? 'processor'}, ${(totalmem() / 2 ** 30).toFixed(0)} GB, Node ${process.versions.node}, ${versions.join(', ')}`;
}

function installedVersion(file) {
  try {
    return require(file).version;
  } catch {
    return 'of this machine';
  }
}
