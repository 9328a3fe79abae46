import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * A session cluster's JobManager on a real socket, for tests and for `tramontane fake flink`: every route of the table of
 * endpoints, answering and refusing as Flink 1.20 and 2.3 were recorded to (texts, statuses, field sets), with switches for what goes wrong. The
 * same address serves a SQL gateway.
 *
 * Jobs advance only when told: `fake.jobs.get(id).state = 'FINISHED'`; or by themselves with `jobMs`.
 */
export interface FakeFlink {
  readonly url: string;
  readonly jobs: Map<string, FakeJob>;
  /** By id. */
  readonly jars: Map<string, { readonly name: string; readonly bytes: number }>;
  /** `METHOD /path`, in order. */
  readonly requests: string[];
  readonly runs: Record<string, unknown>[];
  /** Statements that the SQL gateway was given, in order. */
  readonly statements: string[];
  /** Sessions of the SQL gateway by handle: clear it, and the gateway has been started anew. */
  readonly sessions: Map<string, FakeSession>;
  readonly switches: FakeFlinkSwitches;
  close(): Promise<void>;
}

export interface FakeFlinkSwitches {
  /** `flink-version` of /config. */
  version: string;
  /** Next run calls: the job is accepted and the connection cut before the answer. */
  loseAnswers: number;
  /** Next run calls: the connection is cut and nothing is started. */
  loseCalls: number;
  /** All calls: 503, as during an election. */
  electing: boolean;
  /** The job routes do not know any job, as during a fail-over. */
  forgetful: boolean;
  /** Run calls answer this text as a failed application. */
  failInMain: string | null;
  /** For how many run calls that holds. */
  failRuns: number;
  /** New jobs fail while they are initialised: the run call answers 400, the job exists and is FAILED. */
  failInitialising: string | null;
  /** All calls answer an HTML page, as a proxy does. */
  page: { readonly status: number; readonly text: string } | null;
  /** State of a new job. */
  initialState: string;
  /** Savepoints and stops fail with this text. */
  failSavepoints: string | null;
  /** Where savepoints go for which the call names no folder; null: the cluster has no such setting. */
  savepointDir: string | null;
  /** Jobs are batch jobs: they have no checkpoints. */
  batch: boolean;
  /** Tasks are still being deployed: savepoints, stops and checkpoints are taken and fail by that. */
  deploying: boolean;
  /** How often the state of a savepoint or checkpoint is answered with IN_PROGRESS first. */
  pendingPolls: number;
  /** `web.submit.enable` */
  submits: boolean;
  /** `jobmanager.scheduler: adaptive` */
  adaptive: boolean;
  /** How wide a job can run. */
  slots: number;
  /** Of each vertex. */
  maxParallelism: number;
  /** So many of them are in use, whatever the list of jobs says. */
  slotsTaken: number;
  /** The lists of jobs leave out all, as those that do not answer the JobManager in time. */
  unlisted: boolean;
  /** New jobs finish after so many milliseconds; null: when told. */
  jobMs: number | null;
  /** Jars and answers wait so long, in milliseconds. */
  delayMs: number;
}

export interface FakeJob {
  readonly id: string;
  name: string;
  state: string;
  readonly startTime: number;
  /** Class and message of each link, outermost first: for FAILED. */
  failure: readonly string[];
  accumulators: Readonly<Record<string, string>>;
  /** By trigger; a fail-over forgets them: `clear()`. */
  readonly savepoints: Map<string, FakeSavepoint>;
  /** What the checkpoint routes tell, newest first. */
  readonly history: FakeCheckpoint[];
  parallelism: number;
  /** State that the cached routes (details, accumulators) still show; null when the cache is fresh. */
  cachedState: string | null;
  /** How the job answers PATCH cancel: at once, or never. */
  obeys: boolean;
}

export interface FakeSavepoint {
  polls: number;
  readonly location: string | null;
  readonly failure: string | null;
  readonly checkpointId: number;
}

export interface FakeCheckpoint {
  readonly id: number;
  readonly isSavepoint: boolean;
  readonly path: string;
  readonly at: number;
}

export interface FakeSession {
  readonly properties: Readonly<Record<string, string>>;
  /** What CREATE has made in the session's own catalog; names that begin with `shared.` outlive it. */
  readonly objects: Set<string>;
  readonly operations: Map<string, FakeOperation>;
}

export interface FakeOperation {
  readonly statement: string;
  status: string;
  polls: number;
  readonly jobId: string | null;
  /** Why it fails when its results are fetched. */
  readonly failure: string | null;
}

export interface FakeState extends Omit<FakeFlink, 'url' | 'close'> {
  /** Triggers that belong to no job. */
  readonly triggers: Map<string, { polls: number; readonly failure: string | null }>;
  readonly sharedObjects: Set<string>;
}

export interface Exchange {
  readonly fake: FakeState;
  /** The parts of the path that stand for `:name`, in order. */
  readonly ids: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly request: IncomingMessage;
}

export type Answer = { readonly status: number; readonly body: unknown } | 'cut';

export function createJob(id: string, fake: FakeState, more: Partial<FakeJob> = {}): FakeJob {
  const job: FakeJob = {
    id,
    name: `job-${id.slice(0, 4)}`,
    state: fake.switches.initialState,
    startTime: Date.now(),
    failure: [],
    accumulators: {},
    savepoints: new Map(),
    history: [],
    parallelism: 1,
    cachedState: null,
    obeys: true,
    ...more,
  };
  fake.jobs.set(id, job);
  const { jobMs } = fake.switches;
  if (jobMs !== null)
    setTimeout(() => {
      if (!isOver(job)) job.state = 'FINISHED';
    }, jobMs).unref();
  return job;
}

export function newId(): string {
  return randomUUID().replaceAll('-', '');
}

export function isOver(job: FakeJob): boolean {
  return ['FINISHED', 'FAILED', 'CANCELED'].includes(job.state);
}

export function atLeast(fake: FakeState, version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [ownMajor = 0, ownMinor = 0] = fake.switches.version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
