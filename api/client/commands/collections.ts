import { collect } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';
import type { Noun } from '../nouns.ts';
import type { ListOptions, UploadOptions } from '../run.ts';

/** What all collections have in common: `list`, `get`, `delete`, and for definitions `create`, `update`, `validate`. */
export function addCollection(commands: ClientCommands, noun: Noun): void {
  const { title, identifier, collection } = noun;
  commands.group(noun.noun, `Work with ${title} of a server.`);
  const list = commands.command<ListOptions & { execution?: string; task?: string }>(
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
    .option('--all-projects', 'those of all projects (administrators)');
  if (noun.namespaces) list.option('--namespace <name>', 'those of one namespace');
  if (noun.noun === 'task') list.option('--execution <id>', 'those of one execution');
  if (noun.noun === 'execution') list.option('--roots-only', 'without those that other executions have started');
  if (noun.noun === 'execution' || noun.noun === 'action-execution') list.option('--task <id>', 'those of one task');
  const get = commands.command<{ namespace?: string }>(
    noun.noun,
    `get <${identifier === 'id or name' ? 'id-or-name' : identifier}>`,
    `Show one.`,
    ({ session, run, args: [id = ''], options }) => run.get(session, noun, id, options.namespace),
  );
  if (noun.namespaces) get.option('--namespace <name>', 'where it is', '');
  if (noun.verbs.includes('delete')) addDelete(commands, noun);
  if (noun.definitions) addDefinitions(commands, noun);
}

function addDelete(commands: ClientCommands, noun: Noun): void {
  const remove = commands.command<{ namespace?: string; force?: boolean }>(
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

function addDefinitions(commands: ClientCommands, noun: Noun): void {
  const file = 'a YAML file, - for standard input';
  commands
    .command<UploadOptions>(
      noun.noun,
      'create <file>',
      `Create from a definition: ${file}.`,
      ({ session, run, args: [path = ''], options }) => run.upload(session, noun, 'POST', path, options),
    )
    .option('--namespace <name>', 'where to put it')
    .option('--public', 'for all projects (administrators)');
  const update = commands
    .command<UploadOptions>(
      noun.noun,
      'update <file>',
      `Update from a definition: ${file}.`,
      ({ session, run, args: [path = ''], options }) => run.upload(session, noun, 'PUT', path, options),
    )
    .option('--namespace <name>', 'where it is')
    .option('--public', 'for all projects (administrators)');
  if (noun.identifier !== 'name') update.option('--id <id-or-name>', 'the one to update, which may get a new name');
  commands.command(
    noun.noun,
    'validate <file>',
    'Check a definition as the server would.',
    ({ session, run, args: [path = ''] }) => run.validate(session, noun, path),
  );
  commands
    .command<{ namespace?: string }>(
      noun.noun,
      `definition <${noun.identifier === 'name' ? 'name' : 'id-or-name'}>`,
      'Print the definition.',
      ({ session, run, args: [id = ''], options }) =>
        run.field(
          session,
          `${run.itemPath(noun, id)}${options.namespace === undefined ? '' : `?namespace=${encodeURIComponent(options.namespace)}`}`,
          'definition',
        ),
    )
    .option('--namespace <name>', 'where it is');
}
