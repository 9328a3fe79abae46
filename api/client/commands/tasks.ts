import { collect } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';

export function addTasks(commands: ClientCommands): void {
  const task = { collection: 'tasks' };
  for (const name of ['result', 'published'] as const) {
    commands.command(
      'task',
      `${name} <id>`,
      `Print what it ${name === 'result' ? 'gave' : 'published'}.`,
      ({ session, run, args: [id = ''] }) => run.field(session, run.itemPath(task, id), name),
    );
  }
  commands
    .command<{ resume?: boolean; env: readonly string[] }>(
      'task',
      'rerun <id>',
      'Run a failed task again.',
      ({ session, run, args: [id = ''], options }) =>
        run.send(session, 'PUT', run.itemPath(task, id), {
          state: 'RUNNING',
          reset: options.resume !== true,
          env: run.data(options.env, '--env'),
        }),
    )
    .option('--resume', 'only the items that failed')
    .option('--env <file|key=value>', 'what is added to its environment; may be repeated', collect, []);
  commands.command(
    'task',
    'skip <id>',
    'Go on as if a failed task had been left out.',
    ({ session, run, args: [id = ''] }) => run.send(session, 'PUT', run.itemPath(task, id), { state: 'SKIPPED' }),
  );
  commands.command(
    'task',
    'sub-executions <id>',
    'List the executions below it.',
    async ({ session, run, args: [id = ''] }) => {
      const reply = await session.client.call('GET', `${run.itemPath(task, id)}/executions`);
      session.terminal.out(
        run.showList(run.itemsOf(reply, 'executions'), ['id', 'workflow_name', 'state', 'created_at'], session.format),
      );
      return 0;
    },
  );
}
