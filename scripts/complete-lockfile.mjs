// Completes package-lock.json with the native packages of all platforms: `node scripts/complete-lockfile.mjs [--check]`.
//
// Tools with native parts name one optional package per platform. npm leaves out of the lockfile what the registry at hand does not
// serve, and then `npm ci` refuses the lockfile as incomplete. A package of another platform is never fetched, so its version and its
// platform are all that the lockfile must say about it. With --check nothing is written; the exit code is 1 when something is missing.
import { readFileSync, writeFileSync } from 'node:fs';

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32', 'aix'];
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el'];

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = missingPackages(lock.packages);
if (process.argv.includes('--check')) {
  for (const { path } of missing)
    console.error(`package-lock.json lacks ${path}: run node scripts/complete-lockfile.mjs`);
  process.exitCode = missing.length === 0 ? 0 : 1;
} else if (missing.length > 0) {
  for (const { path, entry } of missing) lock.packages[path] = entry;
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`Added ${missing.length} packages of other platforms.`);
}

/** What some package names as an optional dependency with an exact version and a platform in its name, and the lockfile lacks. */
function missingPackages(packages) {
  const found = new Map();
  for (const [owner, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const platform = platformOf(name);
      if (owner === '' || platform === null || !/^\d+\.\d+\.\d+/.test(version)) continue;
      const path = `node_modules/${name}`;
      if (packages[path] !== undefined || packages[`${owner}/${path}`] !== undefined) continue;
      found.set(path, { path, entry: { version, ...platform, ...(dev === true && { dev }), optional: true } });
    }
  }
  return [...found.values()];
}

/** `@oxlint/binding-linux-x64-musl` is for linux, x64, musl. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-');
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => PROCESSORS.includes(word));
  if (os === undefined || cpu === undefined) return null;
  if (os !== 'linux') return { os: [os], cpu: [cpu] };
  return { os: [os], cpu: [cpu], libc: [words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc'] };
}
