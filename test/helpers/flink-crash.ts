import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FlinkClient } from '../../executors/flink/client/client.ts';
import { jobIdOf } from '../../executors/flink/plan.ts';
import { openGate, type Gate, type Hold } from './gate.ts';
import { signalGroup, waitForExit } from './processes.ts';
import { RestClient } from './rest-client.ts';
import { startServer } from './server-process.ts';
import { waitFor, waitForEnd } from './waiting.ts';

/** How far a job has come when the server is killed. */
export const CRASH_PHASES = {
  recorded: { hold: { request: (line) => line === 'GET /v1/config' } },
  uploaded: { hold: { answer: (line) => line === 'POST /v1/jars/upload' } },
  unsent: { hold: { request: isRun } },
  unseen: { hold: { answer: isRun } },
  running: { hold: {}, isThere: (gate, lane) => gate.passed(lane).filter(isRunning).length > 1 },
  finished: { hold: { answer: (line, text) => isStatus(line) && text.includes('FINISHED') } },
  'cancel-unsent': { hold: { request: isCancel }, cancel: true },
  'cancel-unseen': { hold: { answer: isCancel }, cancel: true },
} as const satisfies Record<string, CrashCase>;

export type CrashPhase = keyof typeof CRASH_PHASES;

interface CrashCase {
  readonly hold: Hold;
  /** When the server may be killed; default: once something is held. */
  readonly isThere?: (gate: Gate, lane: string) => boolean;
  /** The workflow is cancelled once its job runs. */
  readonly cancel?: true;
}

const COUNT = 60;

const WORKFLOW = `version: '2.0'
count:
  input: [url, jar, entry_class, args]
  output:
    job: <% $.job %>
    numbers: <% $.numbers %>
  tasks:
    count:
      action: flink.run_jar
      input:
        url: <% $.url %>
        jar: <% $.jar %>
        entry_class: <% $.entry_class %>
        args: <% $.args %>
        wait_for: finished
        poll_interval: 0.5
      publish:
        job: <% task().result.job_id %>
        numbers: <% task().result.accumulators.numbers %>
`;

/**
 * A real server runs a workflow for each phase on a cluster, each through a lane of its own; once all have come as far as they should,
 * the server is killed with SIGKILL and started again on the same database. Each workflow must end with the result of the one job
 * that Flink has of it.
 */
export async function surviveKills(
  t: ExecutionContext,
  cluster: { readonly url: string; readonly jar: string; afterKill?(): void },
  phases: readonly CrashPhase[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-crash-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const gate = await openGate(cluster.url);
  t.teardown(gate.close);
  const flink = new FlinkClient({ url: cluster.url });
  // Others use the cluster at the same time: our jobs are known by their names.
  const name = `crash ${randomUUID()}`;
  const options = {
    database: `sqlite:${join(folder, 'crash.sqlite')}`,
    cwd: folder,
    logFile: join(folder, 'server.log'),
  };
  const first = await startServer(options);
  t.teardown(first.stop);
  const client = new RestClient(first.url);
  await client.createWorkflows(WORKFLOW);
  const executions = new Map<CrashPhase, string>();
  for (const phase of phases) {
    const crash: CrashCase = CRASH_PHASES[phase];
    gate.hold(phase, crash.hold);
    const { id } = await client.startExecution('count', {
      url: gate.url(phase),
      jar: cluster.jar,
      entry_class: crash.cancel === true ? 'tramontane.jobs.Endless' : null,
      args:
        crash.cancel === true
          ? { name, 'sleep-ms': 20 }
          : { name, count: COUNT, 'sleep-ms': phase === 'finished' ? 0 : 200 },
    });
    executions.set(phase, id);
    if (crash.cancel !== true) continue;
    await waitFor(`the running job of '${phase}'`, async () => gate.passed(phase).some(isRunning), 400_000);
    await client.cancel(id, 'not wanted any more');
  }
  for (const phase of phases) await comeTo(phase, gate);

  signalGroup(first.child, 'SIGKILL');
  await waitForExit(first.child);
  cluster.afterKill?.();
  gate.open();
  const second = await startServer(options);
  t.teardown(second.stop);

  const after = new RestClient(second.url);
  const ours: string[] = [];
  for (const [phase, id] of executions) {
    const isCancelled = (CRASH_PHASES[phase] as CrashCase).cancel === true;
    const execution = await waitForEnd(after, id, 400_000);
    t.is(execution.state, isCancelled ? 'CANCELLED' : 'SUCCESS', `${phase}: ${execution.state_info ?? ''}`);
    const [task] = await after.tasks(id);
    const actions = await after.actions(task?.id ?? '');
    t.is(actions.length, 1, `${phase}: one action execution`);
    const job = jobIdOf(actions[0]?.id ?? '');
    ours.push(job);
    if (!isCancelled) t.deepEqual(JSON.parse(execution.output ?? 'null'), { job, numbers: COUNT }, phase);
    // An execution is CANCELLED at once; its job a little later.
    const wanted = isCancelled ? 'CANCELED' : 'FINISHED';
    const ended = async () => (await flink.jobs.get(job)).state === wanted;
    await waitFor(`the end of the job of '${phase}'`, ended, 400_000);
    const lines = gate.passed(phase).map(({ line }) => line);
    t.is(lines.filter(isRun).length, 1, `${phase}: one run call has reached Flink`);
    t.true(
      lines.filter((line) => line === 'POST /v1/jars/upload').length <= 1,
      `${phase}: no content is uploaded twice`,
    );
  }
  const jobs = (await flink.jobs.overview()).filter((job) => job.name === name);
  t.deepEqual(jobs.map(({ jid }) => jid).toSorted(), ours.toSorted(), 'one job each');
}

async function comeTo(phase: CrashPhase, gate: Gate): Promise<void> {
  const { isThere }: CrashCase = CRASH_PHASES[phase];
  if (isThere === undefined) await gate.held(phase);
  else await waitFor(`the phase '${phase}'`, async () => isThere(gate, phase), 400_000);
}

function isRun(line: string): boolean {
  return /^POST \/v1\/jars\/[^/]+\/run$/.test(line);
}

function isCancel(line: string): boolean {
  return line.startsWith('PATCH ');
}

function isStatus(line: string): boolean {
  return /^GET \/v1\/jobs\/[0-9a-f]{32}\/status$/.test(line);
}

function isRunning({ line, text }: { readonly line: string; readonly text: string }): boolean {
  return isStatus(line) && text.includes('RUNNING');
}
