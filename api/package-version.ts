import { readFileSync } from 'node:fs';

/** The version of this package, as its package.json says. */
export function packageVersion(): string {
  // The build lies one folder below package.json, the sources beside it.
  for (const place of ['../../package.json', '../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        name: string;
        version: string;
      };
      if (name === 'tramontane') return version;
    } catch {
      // Not there: it is the other place.
    }
  }
  return 'unknown';
}
