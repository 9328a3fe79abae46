import { collect } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';

export function addServer(commands: ClientCommands): void {
  commands.group('service', 'See the processes of a cluster.');
  commands.command('service', 'list', 'List them.', async ({ session, run }) => {
    session.terminal.out(
      run.showList(
        run.itemsOf(await session.client.call('GET', '/v2/services'), 'services'),
        ['name', 'type'],
        session.format,
      ),
    );
    return 0;
  });
  commands.group('maintenance', 'Pause everything that a server runs, and go on.');
  commands.command('maintenance', 'get', 'Show whether it is paused.', async ({ session, run }) =>
    run.show(session, await session.client.call('GET', '/maintenance')),
  );
  for (const [verb, status] of [
    ['pause', 'PAUSED'],
    ['resume', 'RUNNING'],
  ] as const) {
    commands.command('maintenance', verb, verb === 'pause' ? 'Pause everything.' : 'Go on.', ({ session, run }) =>
      run.send(session, 'PUT', '/maintenance', { status }),
    );
  }
  commands.group('event', 'Publish events for event triggers.');
  commands
    .command<{ exchange: string; topic: string; event: string; payload: readonly string[] }>(
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
