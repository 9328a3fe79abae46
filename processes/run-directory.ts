import { spawn } from 'node:child_process';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringifyJson, type JsonObject } from '../dsl/json.ts';
import { makeFolder } from './folders.ts';
import { parseStat, type ProcessIdentity } from './process.ts';

/**
 * A run's directory (spec/spark.md §8.3):
 *
 *     command.json   what is run, secrets masked: for people
 *     script.py      an inline application
 *     started/       made by the wrapper's first act: whoever cannot make it runs nothing
 *     process        three lines of the wrapper: its pid, the boot id, its line of /proc
 *     stdout stderr  of spark-submit
 *     exit           the exit code, put there by rename
 */
export interface RunDirectory {
  readonly path: string;
}

export interface RunCommand {
  /** Program and arguments; never a shell line. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** Makes the directory and what belongs into it before the start. May be repeated. */
export async function layOut(path: string, description: JsonObject, script: string | null): Promise<void> {
  makeFolder(path, 0o700);
  if (script !== null) await replaceFile(join(path, 'script.py'), script);
  await replaceFile(join(path, 'command.json'), stringifyJson(description));
}

/**
 * Starts the wrapper in a process group of its own, so that neither the end of this process nor a terminal's signals reach it.
 * `onExit` hears of the wrapper's end as long as this process lives. Rejects when the wrapper could not be started.
 */
export function startDetached(path: string, command: RunCommand, onExit: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', WRAPPER, 'tramontane-run', path, ...command.argv], {
      cwd: command.cwd,
      env: { ...command.env, WF_RUN_DIR: path },
      detached: true,
      stdio: 'ignore',
    });
    child.once('error', reject);
    child.once('spawn', () => resolve());
    child.once('exit', onExit);
    child.unref();
  });
}

/** `fresh`: nothing was started. `starting`: started, and not yet said by whom. */
export async function readProcess(path: string): Promise<ProcessIdentity | 'fresh' | 'starting'> {
  const text = await readFile(join(path, 'process'), 'utf8').catch(() => null);
  if (text === null) return (await exists(join(path, 'started'))) ? 'starting' : 'fresh';
  const [pid = '', bootId = '', line = ''] = text.split('\n');
  return { pid: Number(pid), bootId: bootId.trim(), start: parseStat(line)?.start ?? '' };
}

/** The exit code and when it was written; null while there is none. */
export async function readExit(path: string): Promise<{ readonly code: number; readonly atMs: number } | null> {
  const file = join(path, 'exit');
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  return { code: Number(text.trim()), atMs: await modifiedMs(file) };
}

/** When the wrapper started, or null. */
export async function startedMs(path: string): Promise<number | null> {
  return stat(join(path, 'started')).then(
    (found) => Math.round(found.birthtimeMs || found.mtimeMs),
    () => null,
  );
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * The signal that ends the program must not end the wrapper before it has written the code, hence the trap; a caught signal is not
 * inherited, so the program dies of it as usual.
 */
const WRAPPER = `
run=$1
shift
mkdir "$run/started" 2>/dev/null || exit 0
trap : TERM INT HUP
{
  echo "$$"
  cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo
  cat "/proc/$$/stat" 2>/dev/null || echo
} > "$run/process.new"
mv "$run/process.new" "$run/process"
"$@" >> "$run/stdout" 2>> "$run/stderr" < /dev/null
code=$?
echo "$code" > "$run/exit.new"
mv "$run/exit.new" "$run/exit"
`;

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function modifiedMs(path: string): Promise<number> {
  return Math.round((await stat(path)).mtimeMs);
}
