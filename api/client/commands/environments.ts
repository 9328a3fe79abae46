import { collect } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';

export function addEnvironments(commands: ClientCommands): void {
  interface Change {
    readonly variables: readonly string[];
    readonly description?: string;
    readonly public?: boolean;
  }
  for (const [verb, method, help] of [
    ['create', 'POST', 'Store variables under a name.'],
    ['update', 'PUT', 'Replace the variables that are stored under a name.'],
  ] as const) {
    commands
      .command<Change>('environment', `${verb} <name>`, help, ({ session, run, args: [name], options }) =>
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
