import { suiteFiles } from './scripts/suites.mjs';

// BUILD_DIR: the compiled project, TEST_SUITE: a name of scripts/suites.mjs, TEST_GATHERED=1: as test/suites/main.ts runs them.
const gathered = process.env.TEST_GATHERED === '1';
const build = process.env.BUILD_DIR ?? 'dist';

export default {
  files: suiteFiles(process.env.TEST_SUITE ?? null, { gathered }).map((pattern) => pattern.replace('BUILD', build)),
  timeout: '2m',
  // The long ones first, so that no core is idle at the end.
  sortTestFiles: (a, b) => Number(b.includes('/gathered/')) - Number(a.includes('/gathered/')) || (a < b ? -1 : 1),
  workerThreads: false,
};
