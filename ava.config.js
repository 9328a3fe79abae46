import { suiteFiles } from './scripts/suites.mjs';

// BUILD_DIR: the compiled project, TEST_SUITE: a name of scripts/suites.mjs.
const build = process.env.BUILD_DIR ?? 'dist';

export default {
  files: suiteFiles(process.env.TEST_SUITE ?? 'fast').map((pattern) => pattern.replace('BUILD', build)),
  timeout: '2m',
  workerThreads: false,
};
