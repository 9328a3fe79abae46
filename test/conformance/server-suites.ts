import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { abortOnSignals, Cleanup } from '../helpers/cleanup.ts';
import { run } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/project.ts';
import { casesFolder } from './cases-folder.ts';
import { KINDS, type ServerKind, startTemporaryServer } from './temporary-server.ts';
import { readDeviations, type SuiteCounts } from './counts.ts';

/** Suites that talk to a server over HTTP; their runners are Python programs without dependencies. */
export const SERVER_SUITES = ['workflows', 'rest'] as const;
export type ServerSuite = (typeof SERVER_SUITES)[number];

export interface ServerSuiteOptions {
  readonly cases?: string | undefined;
  /** With or without `/v2`. Without a URL a server is started on a temporary database. */
  readonly url?: string | undefined;
  /** Servers that are started for it share the work, if more than one. */
  readonly nodes?: number;
  readonly only: readonly string[];
  readonly jobs: number;
  readonly slice: boolean;
  readonly verbose: boolean;
  /** What the server at `url` is; `open` by default. */
  readonly kind?: ServerKind | undefined;
}

/** An entry of `slice.json`. */
interface PutOff {
  readonly suite: ServerSuite;
  /** Names of cases; a `*` at the end stands for any rest. */
  readonly cases: readonly string[];
  /** The part of the product that they wait for. */
  readonly needs: string;
}

const ARGUMENTS: Readonly<Record<ServerKind, readonly string[]>> = {
  open: [],
  policy: ['--have', 'policy'],
  auth: ['--auth'],
};

const RUNNERS: Readonly<Record<ServerSuite, string>> = { workflows: 'run_case.py', rest: 'rest_case.py' };

/**
 * Runs the cases, prints the failing ones, and counts. Rejects when the runner itself cannot run.
 *
 * `rest` needs three kinds of server, one after the other: open, with a policy, with authentication. A case counts once for
 * each server that it is played against.
 */
export async function runServerSuite(suite: ServerSuite, options: ServerSuiteOptions): Promise<SuiteCounts> {
  const cleanup = new Cleanup();
  const signal = abortOnSignals(() => console.log('Ending ...'));
  try {
    const total = { passed: 0, failed: 0, skipped: 0 };
    const kinds = suite === 'rest' && options.url === undefined ? KINDS : [options.kind ?? 'open'];
    for (const kind of kinds) {
      const url = options.url ?? (await startTemporaryServer(cleanup, kind, options.nodes)).url;
      if (kinds.length > 1) console.log(`--- server: ${kind}`);
      const counts = await play(suite, kind, url, options, signal);
      if (kinds.length > 1) console.log(`--- ${kind}: ${counts.passed} passed, ${counts.failed} failed`);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
    return total;
  } finally {
    await cleanup.run();
  }
}

async function play(
  suite: ServerSuite,
  kind: ServerKind,
  url: string,
  options: ServerSuiteOptions,
  signal: AbortSignal,
): Promise<SuiteCounts> {
  const base = url.replace(/\/(v2\/?)?$/, '');
  const cases = casesFolder(suite, options.cases);
  const only = [...options.only, ...(options.slice ? await sliceOf(suite, cases) : [])];
  const args = [
    join(projectRoot, 'test/conformance/runners', RUNNERS[suite]),
    'check',
    suite === 'workflows' ? `${base}/v2` : base,
    cases,
    ...(suite === 'rest' ? ARGUMENTS[kind] : []),
    '--jobs',
    String(options.jobs),
    ...only.flatMap((pattern) => ['--only', pattern]),
    ...(options.verbose && suite === 'workflows' ? ['--diffs'] : []),
  ];
  const { code, stdout, stderr } = await run('python3', args, { signal });
  signal.throwIfAborted();
  return judge(stdout, await readDeviations(suite), code === 127 ? `python3 is needed: ${stderr}` : stderr);
}

/** The names of all cases but those that `slice.json` puts off. */
async function sliceOf(suite: ServerSuite, cases: string): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, 'test/conformance/slice.json'), 'utf8');
  const later = (JSON.parse(text) as readonly PutOff[])
    .filter((entry) => entry.suite === suite)
    .flatMap((entry) => entry.cases);
  const isLater = (name: string) =>
    later.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one));
  const names = (await readdir(cases)).map((name) => name.replace(/\.json$/, ''));
  return names.filter((name) => !isLater(name)).sort();
}

/** Reads what a runner printed: a line per failing case, a last line with the counts. */
function judge(output: string, deviations: ReadonlyMap<string, string>, errors: string): SuiteCounts {
  const totals = /(\d+) passed, (\d+) failed\s*$/.exec(output);
  if (totals === null) throw new Error(`The runner broke off:\n${output.slice(-2000)}\n${errors.slice(-4000)}`);
  const deviating = new Set<string>();
  for (const line of output.split('\n').slice(0, -2)) {
    const id = /^FAIL(?:ED)? ([^:]+):/.exec(line)?.[1] ?? '';
    const reason = deviations.get(id);
    if (reason === undefined) console.log(line);
    else if (!deviating.has(id)) console.log(`DEVIATES ${id}: ${reason}`);
    if (reason !== undefined) deviating.add(id);
  }
  return { passed: Number(totals[1]), failed: Number(totals[2]) - deviating.size, skipped: deviating.size };
}
