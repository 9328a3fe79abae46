import { collect } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';

export function addActionExecutions(commands: ClientCommands): void {
  const noun = 'action-execution';
  const collection = 'action_executions';
  commands
    .command<{ input: readonly string[]; save?: boolean; sync?: boolean; target?: string; namespace?: string }>(
      noun,
      'create <action>',
      'Run an action without a workflow.',
      ({ session, run, args: [name], options }) =>
        run.send(session, 'POST', `/v2/${collection}`, {
          name,
          input: run.data(options.input, '--input'),
          params: {
            ...(options.save === true ? { save_result: true } : {}),
            ...(options.sync === true ? { run_sync: true } : {}),
            ...(options.target === undefined ? {} : { target: options.target }),
          },
          workflow_namespace: options.namespace,
        }),
    )
    .option('--input <file|key=value>', 'input as a JSON or YAML file, or one value; may be repeated', collect, [])
    .option('--save', 'keep the result, and answer before it is there')
    .option('--sync', 'with --save: answer when the result is there')
    .option('--target <name>', 'the executor that runs it')
    .option('--namespace <name>', 'where the action is');
  commands
    .command<{ state: string; output: readonly string[] }>(
      noun,
      'update <id>',
      'Complete, pause or resume one.',
      ({ session, run, args: [id = ''], options }) =>
        run.send(session, 'PUT', run.itemPath({ collection }, id), {
          state: options.state,
          output: run.data(options.output, '--output'),
        }),
    )
    .requiredOption('--state <state>', 'SUCCESS, ERROR, CANCELLED, PAUSED or RUNNING')
    .option('--output <file|key=value>', 'its result; may be repeated', collect, []);
  for (const name of ['input', 'output'] as const) {
    commands.command(noun, `${name} <id>`, `Print its ${name}.`, ({ session, run, args: [id = ''] }) =>
      run.field(session, run.itemPath({ collection }, id), name),
    );
  }
  commands.command(
    noun,
    'log <id>',
    'Print the last lines of the log of a job outside.',
    async ({ session, run, args: [id = ''] }) => {
      session.terminal.out(await session.client.text(`${run.itemPath({ collection }, id)}/log`));
      return 0;
    },
  );
  commands.command(noun, 'progress <id>', 'Show how far a job outside is.', async ({ session, run, args: [id = ''] }) =>
    run.show(session, await session.client.call('GET', `${run.itemPath({ collection }, id)}/progress`)),
  );
}
