import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Calls `use` with a Python that has the package: the one that was named, or a fresh environment into which it is installed, and which is
 * gone afterwards. With null, and a word about it, where that does not work or is not wanted.
 *
 * @param args of the command line: `--python PATH`, `--no-python`
 */
export function withPython(name, args, use) {
  if (args.includes('--no-python')) return use(null);
  const at = args.indexOf('--python');
  if (at >= 0) return use(args[at + 1]);
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  const python = join(folder, 'bin', 'python');
  try {
    const steps = [
      ['python3', ['-m', 'venv', folder]],
      [python, ['-m', 'pip', 'install', '--quiet', name]],
    ];
    for (const [command, words] of steps) {
      const { status, stderr, error } = spawnSync(command, words, { encoding: 'utf8' });
      if (status === 0) continue;
      const reason = error?.message ?? stderr.trim().split('\n').at(-1);
      console.error(`Without Python: ${command} ${words.slice(0, 3).join(' ')} … did not work here: ${reason}`);
      return use(null);
    }
    return use(python);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
