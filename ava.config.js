import { suiteFiles } from './scripts/suites.mjs';

// BUILD_DIR: the compiled project, TEST_SUITE: a name of scripts/suites.mjs, TEST_GATHERED=1: as test/suites/main.ts runs them.
const gathered = process.env.TEST_GATHERED === '1';
const build = process.env.BUILD_DIR ?? 'dist';

export default {
  files: suiteFiles(process.env.TEST_SUITE ?? 'fast', { gathered }).map((pattern) => pattern.replace('BUILD', build)),
  timeout: '2m',
  workerThreads: false,
};
