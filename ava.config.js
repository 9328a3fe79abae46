const build = process.env.BUILD_DIR ?? 'dist';

export default {
  files: [`${build}/test/**/*.test.js`],
  timeout: '2m',
  workerThreads: false,
};
