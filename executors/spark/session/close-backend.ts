import type { JsonObject } from '../../../dsl/json.ts';
import { success } from '../../action.ts';
import { hostId, killOrphans, signalGroup } from '../../../processes/process.ts';
import { toText } from '../../inputs.ts';
import type { Job, JobBackend, JobContext, JobStatus, PrepareOutcome, StageOutcome } from '../../jobs/backend.ts';
import { refused } from '../outcome.ts';
import type { SparkOptions } from '../plan.ts';
import { askToClose, livingProcess } from './session-folder.ts';
import { folderOf, isSessionOf, toHandle } from './session-handle.ts';

/** `spark.session.close` of a session that this server keeps: done once its process is gone. One that is gone already is no error. */
export function sessionCloseBackend(options: SparkOptions): JobBackend {
  const host = options.host ?? hostId();
  return {
    name: 'spark-session-end',
    refusesDuplicates: true,
    prepare: (input) => prepare(input, host),
    stage: async (job, { run }): Promise<StageOutcome> => {
      const plan = toPlan(job, options);
      if (plan.host !== host) {
        const message = `Session ${plan.session} is kept on host ${plan.host}, which cannot be asked.`;
        return { kind: 'refused', result: refused('SPARK_UNREACHABLE', message) };
      }
      // Somebody else's session is none.
      return (await isSessionOf(plan.folder, run.projectId))
        ? { kind: 'ready' }
        : { kind: 'refused', result: success(null) };
    },
    submit: async (job) => {
      await askToClose(toPlan(job, options).folder);
      return { kind: 'submitted' };
    },
    // To ask again does no harm.
    find: async () => ({ kind: 'absent' }),
    state: (job, context) => state(job, context, host, options),
    // There is nothing to take back.
    cancel: async () => ({}),
    giveUp: async (job, why) =>
      why.kind === 'cancelled'
        ? { kind: 'cancelled', output: refused('SPARK_CANCELLED', 'Cancelled; the session may end.').output }
        : refused('SPARK_UNREACHABLE', `Session ${toPlan(job, options).session} could not be closed.`),
    isElsewhere: (job) => toPlan(job, options).host !== host,
  };
}

function prepare(input: JsonObject, host: string): PrepareOutcome {
  const handle = toHandle(input.session);
  if (handle === null)
    return { kind: 'refused', result: refused('SPARK_BAD_INPUT', 'session must be the result of spark.session.open.') };
  return {
    kind: 'prepared',
    plan: {
      url: null,
      server: `session ${handle.id}`,
      data: { host: handle.host, session: handle.id },
      timeoutSeconds: null,
      onTimeout: 'leave',
      onCancel: 'leave',
      pollMs: { first: 200, longest: 2000 },
      notFoundGraceMs: 0,
      slots: null,
      isElsewhere: handle.host !== host,
    },
  };
}

/** A running statement is interrupted by the session itself; what hangs is killed. */
const TERM_AFTER_MS = 20_000;
const KILL_AFTER_MS = 30_000;

async function state(job: Job, context: JobContext, host: string, options: SparkOptions): Promise<JobStatus> {
  const { folder } = toPlan(job, options);
  const identity = toPlan(job, options).host === host ? await livingProcess(folder) : null;
  if (identity === null) return { kind: 'ended', state: 'closed', result: success(null) };
  const ageMs = context.nowMs - (job.submittedAtMs ?? context.nowMs);
  if (ageMs >= KILL_AFTER_MS) {
    signalGroup(identity.pid, 'SIGKILL');
    await killOrphans(identity.pid, `WF_RUN_DIR=${folder}`);
  } else if (ageMs >= TERM_AFTER_MS) signalGroup(identity.pid, 'SIGTERM');
  return { kind: 'live', state: 'closing' };
}

function toPlan(
  { data }: Job,
  options: SparkOptions,
): { readonly folder: string; readonly host: string; readonly session: string } {
  const session = toText(data.session ?? '');
  return { folder: folderOf(session, options), host: toText(data.host ?? ''), session };
}
