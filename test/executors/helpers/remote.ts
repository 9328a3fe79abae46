import type { JsonObject } from '../../../dsl/json.ts';
import type { ActionReport, ActionResult, RunAction, RunContext } from '../../../engine/contract.ts';
import type { GivingUp, Job, JobBackend, StopPolicy } from '../../../executors/jobs/backend.ts';

/** A job system in memory that keeps its jobs while nodes of ours come and go, and counts what is asked of it. */
export class Remote {
  /** By key. A second submit with a key makes a second job: the tests want none. */
  readonly jobs = new Map<string, { state: 'running' | 'finished' | 'cancelled'; submits: number }>();
  readonly calls = { submit: 0, find: 0, state: 0, cancel: 0, progress: 0, stage: 0 };
  /** What the next submits do; then `accept`. */
  readonly submits: ('accept' | 'lose-answer' | 'throw-before' | 'refuse' | 'later')[] = [];
  reachable = true;
  /** Servers of these names do not answer. */
  readonly silent = new Set<string>();
  forgetful = false;
  refusesDuplicates = true;
  plan: Partial<{
    onCancel: StopPolicy;
    onTimeout: StopPolicy;
    timeoutSeconds: number;
    slots: number;
    server: string;
    isElsewhere: boolean;
  }> = {};
  /** Resolves before each submit goes on. */
  gate: Promise<void> = Promise.resolve();
  polling = 0;
  mostPolling = 0;

  backend(): JobBackend {
    return {
      name: 'remote',
      refusesDuplicates: this.refusesDuplicates,
      prepare: (input) =>
        typeof input.bad === 'string'
          ? { kind: 'refused', result: { kind: 'error', output: input.bad, retryable: false } }
          : {
              kind: 'prepared',
              plan: {
                url: null,
                server: typeof input.server === 'string' ? input.server : (this.plan.server ?? 'remote'),
                data: { server: input.server ?? 'remote' },
                timeoutSeconds: this.plan.timeoutSeconds ?? null,
                onTimeout: this.plan.onTimeout ?? 'end',
                onCancel: this.plan.onCancel ?? 'end',
                pollMs: { first: 2000, longest: 10_000 },
                notFoundGraceMs: 30_000,
                slots: this.plan.slots ?? null,
              },
            },
      stage: async () => {
        this.calls.stage++;
        return { kind: 'ready' };
      },
      submit: async (job) => {
        this.calls.submit++;
        await this.gate;
        const how = this.submits.shift() ?? 'accept';
        const failure: ActionResult = { kind: 'error', output: how, retryable: false };
        if (how === 'throw-before') throw new Error('connection reset');
        if (how === 'refuse') return { kind: 'refused', result: failure };
        if (how === 'later') return { kind: 'later', reason: 'not ready', giveUp: failure };
        const known = this.jobs.get(job.key);
        this.jobs.set(job.key, { state: 'running', submits: (known?.submits ?? 0) + 1 });
        if (how === 'lose-answer') return { kind: 'unclear', reason: 'the answer was lost' };
        return { kind: 'submitted', update: { externalId: `remote-${job.key}` } };
      },
      find: async (job, _request, _context, lookingMs) => {
        this.calls.find++;
        this.mustAnswer();
        if (this.jobs.has(job.key)) return { kind: 'found', update: { externalId: `remote-${job.key}` } };
        return lookingMs < 10_000 ? { kind: 'looking', reason: 'not there yet' } : { kind: 'absent' };
      },
      state: async (job) => {
        this.calls.state++;
        this.polling++;
        this.mostPolling = Math.max(this.mostPolling, this.polling);
        await new Promise((resolve) => setImmediate(resolve));
        this.polling--;
        this.mustAnswer(String(job.data.server));
        const known = this.forgetful ? undefined : this.jobs.get(job.key);
        if (known === undefined) return { kind: 'unknown', reason: 'no such job' };
        return known.state === 'running'
          ? { kind: 'live', state: 'running' }
          : { kind: 'ended', state: known.state, result: outcome(job, known.state) };
      },
      cancel: async (job) => {
        this.calls.cancel++;
        this.mustAnswer();
        const known = this.jobs.get(job.key);
        if (known?.state === 'running') this.jobs.set(job.key, { ...known, state: 'cancelled' });
        return {};
      },
      giveUp: async (_job, why) => resultOf(why),
      progress: async () => {
        this.calls.progress++;
        return { looked: this.calls.progress };
      },
      isElsewhere: () => this.plan.isElsewhere ?? false,
    };
  }

  finishAll(): void {
    for (const [key, job] of this.jobs) if (job.state === 'running') this.jobs.set(key, { ...job, state: 'finished' });
  }

  get mostSubmits(): number {
    return Math.max(0, ...[...this.jobs.values()].map(({ submits }) => submits));
  }

  private mustAnswer(server = ''): void {
    if (!this.reachable || this.silent.has(server)) throw new Error('connection refused');
  }
}

/** An engine that takes results, or does not. */
export class Reports {
  readonly taken: ActionReport[] = [];
  failures = 0;

  async report(report: ActionReport): Promise<void> {
    if (this.failures > 0) {
      this.failures--;
      throw new Error('the engine cannot store now');
    }
    this.taken.push(report);
  }
}

export function runAction(name: string, id: string, input: JsonObject = {}, more: Partial<RunAction> = {}): RunAction {
  return {
    type: 'run-action',
    name,
    input,
    context: runContext(id),
    timeoutSeconds: null,
    target: null,
    safeRerun: false,
    claim: false,
    ...more,
  };
}

export function runContext(id: string): RunContext {
  return {
    actionExecutionId: id,
    attempt: 1,
    taskExecutionId: 'task-1',
    taskName: 'a',
    workflowExecutionId: 'execution-1',
    workflowName: 'wf',
    callbackUrl: `/v2/action_executions/${id}`,
    projectId: '<default-project>',
  };
}

function outcome(job: Job, state: string): ActionResult {
  if (state === 'finished') return { kind: 'success', output: { key: job.key } };
  return job.cancel?.reason === 'timeout'
    ? { kind: 'error', output: `Timeout after ${job.cancel.seconds} seconds`, retryable: false }
    : { kind: 'cancelled', output: 'cancelled there' };
}

function resultOf(why: GivingUp): ActionResult {
  return why.kind === 'cancelled'
    ? { kind: 'cancelled', output: `gave up, goes on: ${why.jobGoesOn}` }
    : { kind: 'error', output: `${why.kind}`, retryable: false };
}
