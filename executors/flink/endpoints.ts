/**
 * The REST API of Flink's JobManager as a table (spec/flink.md §1.6). A row is all that the client needs: the name is the path of
 * its client method. Bodies and queries name their keys, because a misspelt one is refused by old servers and ignored by new ones.
 */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT';
  /** `:name` parts are filled in, percent-encoded. */
  readonly path: string;
  readonly query?: readonly string[];
  readonly body?: readonly string[];
  /** First version that has it; 1.12 stands for "1.12 or older". */
  readonly since: string;
  /** `user-code`: the program's main() runs inside the call, which may take minutes. */
  readonly duration?: 'user-code' | 'upload';
}

export const ENDPOINTS = {
  'cluster.overview': { method: 'GET', path: '/overview', since: '1.12' },
  'cluster.config': { method: 'GET', path: '/config', since: '1.12' },
  'jars.all': { method: 'GET', path: '/jars', since: '1.12' },
  'jars.upload': { method: 'POST', path: '/jars/upload', since: '1.12', duration: 'upload' },
  'jars.getPlan': {
    method: 'POST',
    path: '/jars/:jarid/plan',
    body: ['entryClass', 'programArgsList', 'parallelism', 'jobId', 'flinkConfiguration'],
    since: '1.12',
    duration: 'user-code',
  },
  'jars.run': {
    method: 'POST',
    path: '/jars/:jarid/run',
    body: [
      'entryClass',
      'programArgsList',
      'parallelism',
      'jobId',
      'savepointPath',
      'allowNonRestoredState',
      'restoreMode',
      'claimMode',
      'flinkConfiguration',
    ],
    since: '1.12',
    duration: 'user-code',
  },
  'jars.delete': { method: 'DELETE', path: '/jars/:jarid', since: '1.12' },
  'jobs.all': { method: 'GET', path: '/jobs', since: '1.12' },
  'jobs.overview': { method: 'GET', path: '/jobs/overview', since: '1.12' },
  'jobs.get': { method: 'GET', path: '/jobs/:jobid', since: '1.12' },
  'jobs.getStatus': { method: 'GET', path: '/jobs/:jobid/status', since: '1.16' },
  'jobs.getExceptions': {
    method: 'GET',
    path: '/jobs/:jobid/exceptions',
    query: ['maxExceptions', 'failureLabelFilter'],
    since: '1.12',
  },
  'jobs.getExecutionResult': { method: 'GET', path: '/jobs/:jobid/execution-result', since: '1.12' },
  'jobs.getAccumulators': {
    method: 'GET',
    path: '/jobs/:jobid/accumulators',
    query: ['includeSerializedValue'],
    since: '1.12',
  },
  'jobs.getMetrics': { method: 'GET', path: '/jobs/:jobid/metrics', query: ['get'], since: '1.12' },
  'jobs.getCheckpoints': { method: 'GET', path: '/jobs/:jobid/checkpoints', since: '1.12' },
  'jobs.terminate': { method: 'PATCH', path: '/jobs/:jobid', query: ['mode'], since: '1.12' },
  'jobs.stop': {
    method: 'POST',
    path: '/jobs/:jobid/stop',
    body: ['targetDirectory', 'drain', 'formatType', 'triggerId'],
    since: '1.12',
  },
  'jobs.getSavepoint': { method: 'GET', path: '/jobs/:jobid/savepoints/:triggerid', since: '1.12' },
} as const satisfies Record<string, Endpoint>;

export type EndpointName = keyof typeof ENDPOINTS;

/** First versions of what an input may ask for (spec/flink.md §1.7). */
export const FEATURES = {
  claimMode: '1.20',
  restoreMode: '1.15',
  flinkConfiguration: '1.17',
  triggerId: '1.15',
  formatType: '1.15',
  status: '1.16',
} as const;

export type Feature = keyof typeof FEATURES;
