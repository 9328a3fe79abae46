import { Option } from 'commander';
import type { Command } from 'commander';
import type { ExitCode, Terminal } from '../terminal.ts';
import { NOUNS } from './nouns.ts';
import type { Noun } from './nouns.ts';
import type * as RunModule from './run.ts';
import type { ConnectionOptions, ListOptions, Session, UploadOptions } from './run.ts';
import type * as WatchModule from './watch.ts';

/** The command line as a client of a server: what it does is loaded only when it is asked for. */
export function addClientCommands(program: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  const group = new ClientCommands(program, terminal, ended);
  for (const noun of NOUNS) group.addNoun(noun);
  group.addExecutions();
  group.addTasks();
  group.addActionExecutions();
  group.addTriggers();
  group.addEnvironments();
  group.addSources();
  group.addMembers();
  group.addServer();
}

type Run = typeof RunModule;
type Watch = typeof WatchModule;
type Action<O> = (parts: {
  readonly session: Session;
  readonly run: Run;
  readonly args: readonly string[];
  readonly options: O;
}) => Promise<ExitCode>;

class ClientCommands {
  private readonly program: Command;
  private readonly terminal: Terminal;
  private readonly ended: (code: ExitCode) => void;
  private readonly groups = new Map<string, Command>();

  constructor(program: Command, terminal: Terminal, ended: (code: ExitCode) => void) {
    this.program = program;
    this.terminal = terminal;
    this.ended = ended;
  }

  addNoun(noun: Noun): void {
    const { title, identifier, collection } = noun;
    this.group(noun.noun, `Work with ${title} of a server.`);
    const list = this.command<ListOptions & { execution?: string; task?: string }>(
      noun.noun,
      'list',
      `List ${title}.`,
      async ({ session, run, options }) => {
        const parent =
          options.execution !== undefined
            ? `/v2/executions/${encodeURIComponent(options.execution)}/${collection}`
            : options.task !== undefined
              ? `/v2/tasks/${encodeURIComponent(options.task)}/${collection === 'executions' ? 'workflow_executions' : collection}`
              : `/v2/${collection}`;
        return run.list(session, noun, options, parent);
      },
    );
    list
      .option('--limit <number>', 'at most so many (default: all)')
      .option('--marker <id>', 'begin after this one')
      .option('--sort <keys>', 'such as created_at:desc,name')
      .option('--filter <name=value>', 'such as state=ERROR or name=has:load; may be repeated', collect, [])
      .option('--fields <names>', 'which fields to show, separated by commas')
      .option('--all-projects', 'those of all projects (administrators)');
    if (noun.namespaces) list.option('--namespace <name>', 'those of one namespace');
    if (noun.noun === 'task') list.option('--execution <id>', 'those of one execution');
    if (noun.noun === 'execution' || noun.noun === 'action-execution') list.option('--task <id>', 'those of one task');
    const get = this.command<{ namespace?: string }>(
      noun.noun,
      `get <${identifier === 'id or name' ? 'id-or-name' : identifier}>`,
      `Show one.`,
      ({ session, run, args: [id = ''], options }) => run.get(session, noun, id, options.namespace),
    );
    if (noun.namespaces) get.option('--namespace <name>', 'where it is', '');
    if (noun.verbs.includes('delete')) this.addDelete(noun);
    if (noun.definitions) this.addDefinitions(noun);
  }

  private addDelete(noun: Noun): void {
    const remove = this.command<{ namespace?: string; force?: boolean }>(
      noun.noun,
      'delete <which...>',
      'Delete one or more.',
      ({ session, run, args, options }) =>
        run.remove(session, noun, args, {
          namespace: options.namespace,
          ...(options.force === true ? { force: 'true' } : {}),
        }),
    );
    if (noun.namespaces) remove.option('--namespace <name>', 'where they are');
    if (noun.noun === 'execution') remove.option('--force', 'also those that have not ended');
  }

  private addDefinitions(noun: Noun): void {
    const file = 'a YAML file, - for standard input';
    this.command<UploadOptions>(
      noun.noun,
      'create <file>',
      `Create from a definition: ${file}.`,
      ({ session, run, args: [path = ''], options }) => run.upload(session, noun, 'POST', path, options),
    )
      .option('--namespace <name>', 'where to put it')
      .option('--public', 'for all projects (administrators)');
    const update = this.command<UploadOptions>(
      noun.noun,
      'update <file>',
      `Update from a definition: ${file}.`,
      ({ session, run, args: [path = ''], options }) => run.upload(session, noun, 'PUT', path, options),
    )
      .option('--namespace <name>', 'where it is')
      .option('--public', 'for all projects (administrators)');
    if (noun.identifier !== 'name') update.option('--id <id-or-name>', 'the one to update, which may get a new name');
    this.command(
      noun.noun,
      'validate <file>',
      'Check a definition as the server would.',
      ({ session, run, args: [path = ''] }) => run.validate(session, noun, path),
    );
    this.command<{ namespace?: string }>(
      noun.noun,
      `definition <${noun.identifier === 'name' ? 'name' : 'id-or-name'}>`,
      'Print the definition.',
      ({ session, run, args: [id = ''], options }) =>
        run.field(
          session,
          `${run.itemPath(noun, id)}${options.namespace === undefined ? '' : `?namespace=${encodeURIComponent(options.namespace)}`}`,
          'definition',
        ),
    ).option('--namespace <name>', 'where it is');
  }

  addExecutions(): void {
    const noun = 'execution';
    interface Start {
      readonly input: readonly string[];
      readonly env: readonly string[];
      readonly envName?: string;
      readonly task?: string;
      readonly id?: string;
      readonly description?: string;
      readonly source?: string;
      readonly namespace?: string;
      readonly watch?: boolean;
    }
    this.command<Start>(
      noun,
      'create [workflow]',
      'Start a workflow, by id or name.',
      async ({ session, run, args: [workflow], options }) => {
        const isId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(workflow ?? '');
        const env = options.envName ?? run.data(options.env, '--env');
        const params = {
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
      .option('--id <id>', 'an id of your own: the same again starts nothing')
      .option('--description <text>', 'what it is for')
      .option('--source <id>', 'an execution whose workflow, input and parameters to take')
      .option('--namespace <name>', 'where the workflow is')
      .option('--watch', 'follow it to its end');
    this.command<{ state?: string; stateInfo?: string; description?: string; env: readonly string[] }>(
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
      this.command<{ reason?: string }>(noun, `${verb} <id>`, help, ({ session, run, args: [id = ''], options }) =>
        run.send(session, 'PUT', run.itemPath({ collection: 'executions' }, id), { state, state_info: options.reason }),
      ).option('--reason <text>', 'why');
    }
    for (const [verb, name] of [
      ['input', 'input'],
      ['output', 'output'],
      ['published', 'published_global'],
    ] as const) {
      this.command(
        noun,
        `${verb} <id>`,
        `Print its ${verb === 'published' ? 'global variables' : verb}.`,
        ({ session, run, args: [id = ''] }) => run.field(session, run.itemPath({ collection: 'executions' }, id), name),
      );
    }
    this.command<{ errorsOnly?: boolean; statisticsOnly?: boolean; maxDepth?: string }>(
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
    this.command(
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
    this.command(
      noun,
      'watch <id>',
      'Print what happens until it ends; exit 0 for SUCCESS, else 1.',
      async ({ session, args: [id = ''] }) => (await loadWatch()).watch(session, id),
    );
    this.command(
      noun,
      'logs <id>',
      'Print the last lines of the logs of its jobs, of Spark and Flink and the like.',
      async ({ session, args: [id = ''] }) => (await loadWatch()).logs(session, id),
    );
    this.command<{ task?: string; resume?: boolean; env: readonly string[] }>(
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

  addTasks(): void {
    const task = { collection: 'tasks' };
    for (const name of ['result', 'published'] as const) {
      this.command(
        'task',
        `${name} <id>`,
        `Print what it ${name === 'result' ? 'gave' : 'published'}.`,
        ({ session, run, args: [id = ''] }) => run.field(session, run.itemPath(task, id), name),
      );
    }
    this.command<{ resume?: boolean; env: readonly string[] }>(
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
    this.command(
      'task',
      'skip <id>',
      'Go on as if a failed task had been left out.',
      ({ session, run, args: [id = ''] }) => run.send(session, 'PUT', run.itemPath(task, id), { state: 'SKIPPED' }),
    );
    this.command(
      'task',
      'sub-executions <id>',
      'List the executions below it.',
      async ({ session, run, args: [id = ''] }) => {
        const reply = await session.client.call('GET', `${run.itemPath(task, id)}/executions`);
        session.terminal.out(
          run.showList(
            run.itemsOf(reply, 'executions'),
            ['id', 'workflow_name', 'state', 'created_at'],
            session.format,
          ),
        );
        return 0;
      },
    );
  }

  addActionExecutions(): void {
    const noun = 'action-execution';
    const collection = 'action_executions';
    this.command<{ input: readonly string[]; save?: boolean; sync?: boolean; target?: string; namespace?: string }>(
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
    this.command<{ state: string; output: readonly string[] }>(
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
      this.command(noun, `${name} <id>`, `Print its ${name}.`, ({ session, run, args: [id = ''] }) =>
        run.field(session, run.itemPath({ collection }, id), name),
      );
    }
    this.command(
      noun,
      'log <id>',
      'Print the last lines of the log of a job outside.',
      async ({ session, run, args: [id = ''] }) => {
        session.terminal.out(await session.client.text(`${run.itemPath({ collection }, id)}/log`));
        return 0;
      },
    );
    this.command(noun, 'progress <id>', 'Show how far a job outside is.', async ({ session, run, args: [id = ''] }) =>
      run.show(session, await session.client.call('GET', `${run.itemPath({ collection }, id)}/progress`)),
    );
  }

  addTriggers(): void {
    this.command<{
      pattern?: string;
      first?: string;
      count?: string;
      input: readonly string[];
      params: readonly string[];
    }>(
      'cron-trigger',
      'create <name> <workflow>',
      'Start a workflow by time.',
      ({ session, run, args: [name, workflow = ''], options }) =>
        run.send(session, 'POST', '/v2/cron_triggers', {
          name,
          [UUID.test(workflow) ? 'workflow_id' : 'workflow_name']: workflow,
          pattern: options.pattern,
          first_execution_time: options.first,
          remaining_executions: options.count,
          workflow_input: run.data(options.input, '--input'),
          workflow_params: run.data(options.params, '--params'),
        }),
    )
      .option('--pattern <cron>', "such as '0 3 * * *'")
      .option('--first <time>', "when to start first, 'YYYY-MM-DD HH:MM' in UTC")
      .option('--count <number>', 'how often (default: without end)')
      .option('--input <file|key=value>', 'input of the workflow; may be repeated', collect, [])
      .option('--params <file|key=value>', 'parameters, such as env; may be repeated', collect, []);
    this.command<{
      exchange: string;
      topic: string;
      event: string;
      input: readonly string[];
      params: readonly string[];
    }>(
      'event-trigger',
      'create <name> <workflow-id>',
      'Start a workflow by events.',
      ({ session, run, args: [name, workflowId], options }) =>
        run.send(session, 'POST', '/v2/event_triggers', {
          name,
          workflow_id: workflowId,
          exchange: options.exchange,
          topic: options.topic,
          event: options.event,
          workflow_input: run.data(options.input, '--input'),
          workflow_params: run.data(options.params, '--params'),
        }),
    )
      .requiredOption('--exchange <name>', 'where events come from')
      .requiredOption('--topic <name>', 'what they are about')
      .requiredOption('--event <name>', 'which of them')
      .option('--input <file|key=value>', 'input of the workflow; may be repeated', collect, [])
      .option('--params <file|key=value>', 'parameters, such as env; may be repeated', collect, []);
    this.command<{ name?: string; workflow?: string; input: readonly string[]; params: readonly string[] }>(
      'event-trigger',
      'update <id>',
      'Change name, workflow or input.',
      ({ session, run, args: [id = ''], options }) =>
        run.send(session, 'PUT', run.itemPath({ collection: 'event_triggers' }, id), {
          name: options.name,
          workflow_id: options.workflow,
          workflow_input: run.data(options.input, '--input'),
          workflow_params: run.data(options.params, '--params'),
        }),
    )
      .option('--name <name>', 'a new name')
      .option('--workflow <id>', 'another workflow')
      .option('--input <file|key=value>', 'another input; may be repeated', collect, [])
      .option('--params <file|key=value>', 'other parameters; may be repeated', collect, []);
  }

  addEnvironments(): void {
    interface Change {
      readonly variables: readonly string[];
      readonly description?: string;
      readonly public?: boolean;
    }
    for (const [verb, method, help] of [
      ['create', 'POST', 'Store variables under a name.'],
      ['update', 'PUT', 'Replace the variables that are stored under a name.'],
    ] as const) {
      this.command<Change>('environment', `${verb} <name>`, help, ({ session, run, args: [name], options }) =>
        run.send(session, method, '/v2/environments', {
          name,
          description: options.description,
          variables: run.data(options.variables, '--variables') ?? (method === 'POST' ? {} : undefined),
          scope: options.public === true ? 'public' : undefined,
        }),
      )
        .option('--variables <file|key=value>', 'a JSON or YAML file, or one variable; may be repeated', collect, [])
        .option('--description <text>', 'what it is for')
        .option('--public', 'for all projects (administrators)');
    }
  }

  addSources(): void {
    for (const [verb, method, key] of [
      ['create', 'POST', 'name'],
      ['update', 'PUT', 'identifier'],
    ] as const) {
      this.command<{ namespace?: string; public?: boolean }>(
        'code-source',
        `${verb} <name> <file>`,
        `${verb === 'create' ? 'Store' : 'Replace'} a module with actions.`,
        async ({ session, run, args: [name, file = ''], options }) => {
          const query = {
            [key]: name,
            namespace: options.namespace,
            scope: options.public === true ? 'public' : 'private',
          };
          return run.show(
            session,
            await session.client.call(method, '/v2/code_sources', { query, text: run.readText(file) }),
          );
        },
      )
        .option('--namespace <name>', 'where it is')
        .option('--public', 'for all projects');
      this.command<{ class?: string; source?: string; namespace?: string; public?: boolean }>(
        'dynamic-action',
        `${verb} <name>`,
        `${verb === 'create' ? 'Make' : 'Change'} an action of a module's export.`,
        ({ session, run, args: [name], options }) =>
          run.send(session, method, '/v2/dynamic_actions', {
            name,
            class_name: options.class,
            [UUID.test(options.source ?? '') ? 'code_source_id' : 'code_source_name']: options.source,
            namespace: options.namespace,
            scope: options.public === true ? 'public' : undefined,
          }),
      )
        .option('--class <name>', 'the export that it runs')
        .option('--source <id-or-name>', 'the code source')
        .option('--namespace <name>', 'where it is')
        .option('--public', 'for all projects');
    }
    this.command('code-source', 'content <id-or-name>', 'Print the module.', ({ session, run, args: [id = ''] }) =>
      run.field(session, run.itemPath({ collection: 'code_sources' }, id), 'content'),
    );
  }

  addMembers(): void {
    const noun = 'member';
    const columns = ['resource_id', 'project_id', 'member_id', 'status', 'created_at', 'updated_at'];
    this.group(noun, 'Share workflows with other projects.');
    const path = (run: Run, workflow: string): string =>
      `${run.itemPath({ collection: 'workflows' }, workflow)}/members`;
    this.command(
      noun,
      'list <workflow-id>',
      'List with whom a workflow is shared.',
      async ({ session, run, args: [workflow = ''] }) => {
        session.terminal.out(
          run.showList(
            run.itemsOf(await session.client.call('GET', path(run, workflow)), 'members'),
            columns,
            session.format,
          ),
        );
        return 0;
      },
    );
    this.command(
      noun,
      'get <workflow-id> <project>',
      'Show one share.',
      async ({ session, run, args: [workflow = '', project = ''] }) =>
        run.show(session, await session.client.call('GET', `${path(run, workflow)}/${encodeURIComponent(project)}`)),
    );
    this.command(
      noun,
      'create <workflow-id> <project>',
      'Offer a workflow to a project.',
      ({ session, run, args: [workflow = '', project] }) =>
        run.send(session, 'POST', path(run, workflow), { member_id: project }),
    );
    this.command<{ status: string }>(
      noun,
      'update <workflow-id> <project>',
      'Accept or reject an offer.',
      ({ session, run, args: [workflow = '', project = ''], options }) =>
        run.send(session, 'PUT', `${path(run, workflow)}/${encodeURIComponent(project)}`, { status: options.status }),
    ).addOption(
      new Option('--status <status>', 'the answer').choices(['accepted', 'rejected', 'pending']).default('accepted'),
    );
    this.command(
      noun,
      'delete <workflow-id> <project>',
      'Take a share back.',
      async ({ session, run, args: [workflow = '', project = ''] }) => {
        await session.client.call('DELETE', `${path(run, workflow)}/${encodeURIComponent(project)}`);
        return 0;
      },
    );
  }

  addServer(): void {
    this.group('service', 'See the processes of a cluster.');
    this.command('service', 'list', 'List them.', async ({ session, run }) => {
      session.terminal.out(
        run.showList(
          run.itemsOf(await session.client.call('GET', '/v2/services'), 'services'),
          ['name', 'type'],
          session.format,
        ),
      );
      return 0;
    });
    this.group('maintenance', 'Pause everything that a server runs, and go on.');
    this.command('maintenance', 'get', 'Show whether it is paused.', async ({ session, run }) =>
      run.show(session, await session.client.call('GET', '/maintenance')),
    );
    for (const [verb, status] of [
      ['pause', 'PAUSED'],
      ['resume', 'RUNNING'],
    ] as const) {
      this.command('maintenance', verb, verb === 'pause' ? 'Pause everything.' : 'Go on.', ({ session, run }) =>
        run.send(session, 'PUT', '/maintenance', { status }),
      );
    }
    this.group('event', 'Publish events for event triggers.');
    this.command<{ exchange: string; topic: string; event: string; payload: readonly string[] }>(
      'event',
      'publish',
      'Publish one.',
      ({ session, run, options }) =>
        run.send(session, 'POST', '/v2/events', {
          exchange: options.exchange,
          topic: options.topic,
          event: options.event,
          payload: run.data(options.payload, '--payload') ?? {},
        }),
    )
      .requiredOption('--exchange <name>', 'where it comes from')
      .requiredOption('--topic <name>', 'what it is about')
      .requiredOption('--event <name>', 'which it is')
      .option('--payload <file|key=value>', 'what it carries; may be repeated', collect, []);
  }

  private group(name: string, description: string): Command {
    const group = this.program.command(name).description(description);
    this.groups.set(name, group);
    return group;
  }

  private command<O extends object>(noun: string, usage: string, description: string, action: Action<O>): Command {
    const group = this.groups.get(noun);
    if (group === undefined) throw new Error(`there is no group ${noun}`);
    const command = group
      .command(usage)
      .description(description)
      .option('--url <url>', 'the server (default: TRAMONTANE_URL, else http://127.0.0.1:8989)')
      .option('--token <token>', 'who you are (default: TRAMONTANE_TOKEN)')
      .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json', 'yaml']).default('table'));
    command.action(async () => {
      const run = await import('./run.ts');
      const options = command.opts<O & ConnectionOptions>();
      const session = run.connect(options, this.terminal);
      this.ended(await action({ session, run, args: command.args, options }));
    });
    return command;
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function loadWatch(): Promise<Watch> {
  return import('./watch.ts');
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
