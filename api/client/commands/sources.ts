import { UUID } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';

export function addSources(commands: ClientCommands): void {
  for (const [verb, method, key] of [
    ['create', 'POST', 'name'],
    ['update', 'PUT', 'identifier'],
  ] as const) {
    commands
      .command<{ namespace?: string; public?: boolean }>(
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
    commands
      .command<{ class?: string; source?: string; namespace?: string; public?: boolean }>(
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
  commands.command('code-source', 'content <id-or-name>', 'Print the module.', ({ session, run, args: [id = ''] }) =>
    run.field(session, run.itemPath({ collection: 'code_sources' }, id), 'content'),
  );
}
