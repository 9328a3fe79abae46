import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { runCommandWith } from './command-line.ts';
import { differences } from './expectation.ts';
import { run, waitForExit, type Finished } from './processes.ts';
import { projectRoot, tramontaneBin } from './project.ts';

export const examplesFolder = join(projectRoot, 'examples');

/** The address that inputs and READMEs of the examples name. */
const LOCAL_SERVER = 'http://127.0.0.1:8099';

export interface Example {
  readonly name: string;
  /** Absolute path of its workflow or workbook. */
  readonly file: string;
  /** The text of input.json. */
  readonly input: string;
  readonly expected: { readonly state: string; readonly output: unknown };
  /** Needed when the workbook holds several workflows. */
  readonly workflow: string | null;
}

export interface RunOutcome extends Finished {
  readonly execution: { readonly state: string; readonly output: unknown };
}

export async function listExamples(): Promise<readonly Example[]> {
  const entries = await readdir(examplesFolder, { withFileTypes: true });
  return Promise.all(entries.filter((entry) => entry.isDirectory()).map((entry) => readExample(entry.name)));
}

export async function readExample(name: string): Promise<Example> {
  const folder = join(examplesFolder, name);
  const file = ['workflow.yaml', 'workbook.yaml'].map((base) => join(folder, base)).find(existsSync);
  if (file === undefined) throw new Error(`examples/${name} has neither workflow.yaml nor workbook.yaml`);
  const expected = load(await readFile(join(folder, 'expect.yaml'), 'utf8')) as Example['expected'] & {
    workflow?: string;
  };
  return {
    name,
    file,
    input: await readFile(join(folder, 'input.json'), 'utf8'),
    expected,
    workflow: expected.workflow ?? null,
  };
}

export interface ExampleOptions {
  /** Wins over input.json. */
  readonly input?: object;
  readonly env?: NodeJS.ProcessEnv;
  readonly localServer?: string;
  /** Instead of the one in expect.yaml. */
  readonly workflow?: string;
  /** A file of settings, in the example's folder. */
  readonly config?: string;
  /** In this process instead of one of its own. */
  readonly here?: boolean;
}

/** `tramontane run FILE --json` on an engine of its own. */
export async function runExample(example: Example, options: ExampleOptions = {}): Promise<RunOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-example-'));
  try {
    const text =
      options.localServer === undefined ? example.input : example.input.replaceAll(LOCAL_SERVER, options.localServer);
    const inputFile = join(folder, 'input.json');
    await writeFile(inputFile, JSON.stringify({ ...(JSON.parse(text) as object), ...options.input }));
    const name = options.workflow ?? example.workflow;
    const workflow = name === null ? [] : ['--workflow', name];
    const config = options.config === undefined ? [] : ['--config', join(examplesFolder, example.name, options.config)];
    const args = ['run', example.file, ...workflow, ...config, '--input', inputFile, '--json'];
    const env = { ...process.env, ...options.env };
    const finished =
      options.here === true
        ? await runHere(args, env)
        : await run(process.execPath, [tramontaneBin, ...args], { cwd: projectRoot, env });
    return { ...finished, execution: parseExecution(finished) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runHere(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Finished> {
  const { code, out, err } = await runCommandWith(env, args);
  return { code, stdout: out, stderr: err };
}

/** Empty when the example ended as its expect.yaml says. */
export function complaints(example: Example, outcome: RunOutcome): string[] {
  const { state, output } = outcome.execution;
  if (state !== example.expected.state)
    return [`state: expected ${example.expected.state}, got ${state}\n${outcome.stdout}\n${outcome.stderr}`];
  return differences(example.expected.output, output);
}

/** Starts examples/local-server.mjs on a free port. */
export async function startLocalServer(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [join(examplesFolder, 'local-server.mjs'), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
    child.once('exit', (code) => reject(new Error(`local-server.mjs ended with ${code}`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await waitForExit(child);
  };
  return { url, stop };
}

function parseExecution({ stdout, stderr }: Finished): RunOutcome['execution'] {
  try {
    const { state, output } = JSON.parse(stdout) as { state: string; output: unknown };
    return { state, output: typeof output === 'string' ? JSON.parse(output) : output };
  } catch {
    throw new Error(`tramontane run printed no JSON:\n${stdout}\n${stderr}`);
  }
}
