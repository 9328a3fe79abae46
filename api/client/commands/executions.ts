import { collect, UUID } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';
import type * as WatchModule from '../watch.ts';

export function addExecutions(commands: ClientCommands): void {
  const noun = 'execution';
  interface Start {
    readonly input: readonly string[];
    readonly env: readonly string[];
    readonly envName?: string;
    readonly params: readonly string[];
    readonly task?: string;
    readonly id?: string;
    readonly description?: string;
    readonly source?: string;
    readonly namespace?: string;
    readonly watch?: boolean;
  }
  commands
    .command<Start>(
      noun,
      'create [workflow]',
      'Start a workflow, by id or name.',
      async ({ session, run, args: [workflow], options }) => {
        const isId = UUID.test(workflow ?? '');
        const env = options.envName ?? run.data(options.env, '--env');
        const params = {
          ...run.data(options.params, '--params'),
          ...(env === undefined ? {} : { env }),
          ...(options.task === undefined ? {} : { task_name: options.task }),
        };
        const attributes = {
          ...(workflow === undefined ? {} : { [isId ? 'workflow_id' : 'workflow_name']: workflow }),
          workflow_namespace: options.namespace,
          input: run.data(options.input, '--input'),
          params: Object.keys(params).length === 0 ? undefined : params,
          description: options.description ?? '',
          id: options.id,
          source_execution_id: options.source,
        };
        if (options.watch !== true) return run.send(session, 'POST', '/v2/executions', attributes);
        const json = run.given(attributes);
        const started = await session.client.call('POST', '/v2/executions', { json });
        const { watch } = await loadWatch();
        return watch(session, run.idOf(started));
      },
    )
    .option('--input <file|key=value>', 'input as a JSON or YAML file, or one value; may be repeated', collect, [])
    .option('--env <file|key=value>', 'environment, given in the same ways', collect, [])
    .option('--env-name <name>', 'environment that is stored under a name')
    .option('--task <name>', 'target task of a reverse workflow')
    .option('--params <file|key=value>', 'other parameters, such as evaluate_env=false; may be repeated', collect, [])
    .option('--id <id>', 'an id of your own: the same again starts nothing')
    .option('--description <text>', 'what it is for')
    .option('--source <id>', 'an execution whose workflow, input and parameters to take')
    .option('--namespace <name>', 'where the workflow is')
    .option('--watch', 'follow it to its end');
  commands
    .command<{ state?: string; stateInfo?: string; description?: string; env: readonly string[] }>(
      noun,
      'update <id>',
      'Change state, description or environment.',
      ({ session, run, args: [id = ''], options }) => {
        const env = run.data(options.env, '--env');
        return run.send(session, 'PUT', run.itemPath({ collection: 'executions' }, id), {
          state: options.state,
          state_info: options.stateInfo,
          description: options.description,
          params: env === undefined ? undefined : { env },
        });
      },
    )
    .option('--state <state>', 'RUNNING, PAUSED, SUCCESS, ERROR or CANCELLED')
    .option('--state-info <text>', 'why')
    .option('--description <text>', 'what it is for')
    .option('--env <file|key=value>', 'what is added to its environment; may be repeated', collect, []);
  for (const [verb, state, help] of [
    ['pause', 'PAUSED', 'Start nothing more of it.'],
    ['resume', 'RUNNING', 'Go on with what is paused.'],
    ['cancel', 'CANCELLED', 'End it.'],
  ] as const) {
    commands
      .command<{ reason?: string }>(noun, `${verb} <id>`, help, ({ session, run, args: [id = ''], options }) =>
        run.send(session, 'PUT', run.itemPath({ collection: 'executions' }, id), { state, state_info: options.reason }),
      )
      .option('--reason <text>', 'why');
  }
  for (const [verb, name] of [
    ['input', 'input'],
    ['output', 'output'],
    ['published', 'published_global'],
  ] as const) {
    commands.command(
      noun,
      `${verb} <id>`,
      `Print its ${verb === 'published' ? 'global variables' : verb}.`,
      ({ session, run, args: [id = ''] }) => run.field(session, run.itemPath({ collection: 'executions' }, id), name),
    );
  }
  commands
    .command<{ errorsOnly?: boolean; statisticsOnly?: boolean; maxDepth?: string }>(
      noun,
      'report <id>',
      'Print figures and tree.',
      async ({ session, run, args: [id = ''], options }) => {
        const query = {
          errors_only: options.errorsOnly === true ? 'true' : '',
          statistics_only: options.statisticsOnly === true ? 'true' : '',
          max_depth: options.maxDepth,
        };
        const reply = await session.client.call('GET', `${run.itemPath({ collection: 'executions' }, id)}/report`, {
          query,
        });
        session.terminal.out(run.showValue(reply, session.format));
        return 0;
      },
    )
    .option('--errors-only', 'only what failed')
    .option('--statistics-only', 'only the figures')
    .option('--max-depth <number>', 'so many levels of sub-workflows');
  commands.command(
    noun,
    'sub-executions <id>',
    'List it and all below it.',
    async ({ session, run, args: [id = ''] }) => {
      const reply = await session.client.call('GET', `${run.itemPath({ collection: 'executions' }, id)}/executions`);
      session.terminal.out(
        run.showList(
          run.itemsOf(reply, 'executions'),
          ['id', 'workflow_name', 'state', 'task_execution_id', 'created_at'],
          session.format,
        ),
      );
      return 0;
    },
  );
  commands.command(
    noun,
    'watch <id>',
    'Print what happens until it ends; exit 0 for SUCCESS, else 1.',
    async ({ session, args: [id = ''] }) => (await loadWatch()).watch(session, id),
  );
  commands.command(
    noun,
    'logs <id>',
    'Print the last lines of the logs of its jobs, of Spark and Flink and the like.',
    async ({ session, args: [id = ''] }) => (await loadWatch()).logs(session, id),
  );
  commands
    .command<{ task?: string; resume?: boolean; env: readonly string[] }>(
      noun,
      'rerun <id>',
      'Run its failed tasks again.',
      async ({ session, run, args: [id = ''], options }) =>
        (await loadWatch()).rerun(session, id, { ...options, env: run.data(options.env, '--env') }),
    )
    .option('--task <name-or-id>', 'only this one')
    .option('--resume', 'of a task with items only those that failed')
    .option('--env <file|key=value>', 'what is added to its environment; may be repeated', collect, []);
}

function loadWatch(): Promise<typeof WatchModule> {
  return import('../watch.ts');
}
