import { createRequire } from 'node:module';
import type * as Undici from 'undici';

const require = createRequire(import.meta.url);

/** The HTTP client's library, loaded by the first request: it takes a fifth of the time of a command that sends none. */
export function undici(): typeof Undici {
  return require('undici') as typeof Undici;
}
