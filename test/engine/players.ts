import type { ExecutionRecord } from '../../engine/core/model.ts';
import { EngineError } from '../../engine/errors.ts';
import { CALLER, type TestEngine } from '../helpers/engine.ts';
import type { Act } from './random-workflows.ts';

/** Plays one act of a scenario; what is not possible just then is left out. */
export async function play(e: TestEngine, root: ExecutionRecord, { type, pick }: Act): Promise<void> {
  switch (type) {
    case 'finish':
    case 'break':
    case 'cancel': {
      const mine = e.waiting.filter((message) => message.context.callbackUrl !== '');
      const message = mine[pick % Math.max(1, mine.length)];
      if (message === undefined) return;
      e.waiting.splice(e.waiting.indexOf(message), 1);
      await e.engine.report({
        actionExecutionId: message.context.actionExecutionId,
        attempt: message.context.attempt,
        result:
          type === 'break'
            ? { kind: 'error', output: `broken ${pick}`, retryable: false }
            : type === 'finish'
              ? { kind: 'success', output: pick }
              : { kind: 'cancelled', output: null },
      });
      break;
    }
    case 'advance':
      e.clock.advance(1000);
      break;
    case 'pause':
    case 'resume':
      await tolerant(
        e.engine.updateExecution(CALLER, root.id, {
          state: type === 'pause' ? 'PAUSED' : 'RUNNING',
          stateInfo: null,
          description: null,
          env: null,
        }),
      );
      break;
    case 'rerun':
    case 'skip': {
      const { tasks } = await e.see(root.id);
      const failed = tasks.filter((task) => task.state === 'ERROR');
      const task = failed[pick % Math.max(1, failed.length)];
      if (task === undefined) return;
      await tolerant(
        type === 'skip'
          ? e.engine.skipTask(CALLER, task.id)
          : e.engine.rerunTask(CALLER, task.id, pick % 2 === 0, null),
      );
      break;
    }
  }
  await e.settle();
}

async function tolerant(request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => {
    if (!(error instanceof EngineError) || !['INVALID_STATE', 'INVALID_INPUT'].includes(error.code)) throw error;
  });
}

/** Everything that can be observed of an execution and those below it, without ids and times. */
export async function picture(e: Pick<TestEngine, 'see' | 'store'>, id: string): Promise<unknown> {
  const { execution, tasks, actions } = await e.see(id);
  const names = new Map<string, string>(tasks.map((task, i) => [task.id, `${task.name}#${i}`]));
  const actionNames = new Map<string, string>(actions.map((action, i) => [action.id, `action#${i}`]));
  const children: { id: string }[] = await e.store
    .reader('executions')
    .where('parent_execution_id', id)
    .orderBy('id')
    .select('id');
  const nameless = (value: unknown) => {
    let text = JSON.stringify(value ?? null);
    for (const [key, name] of [...names, ...actionNames]) text = text.replaceAll(key, name);
    return text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>');
  };
  return {
    state: execution.state,
    stateInfo: nameless(execution.stateInfo),
    output: nameless(execution.output),
    context: execution.context,
    tasks: tasks.map((task) => ({
      name: task.name,
      state: task.state,
      stateInfo: nameless(task.stateInfo),
      published: task.published,
      processed: task.processed,
      nextTasks: task.nextTasks,
      errorHandled: task.errorHandled,
      runtimeContext: nameless(task.runtimeContext),
    })),
    actions: actions.map((action) => ({
      of: action.taskName,
      state: action.state,
      accepted: action.accepted,
      index: action.index,
      output: nameless(action.output),
    })),
    children: await Promise.all(children.map((child) => picture(e, child.id))),
  };
}
