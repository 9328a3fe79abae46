import { Option } from 'commander';
import type { ClientCommands, Run } from '../command-groups.ts';

export function addMembers(commands: ClientCommands): void {
  const noun = 'member';
  const columns = ['resource_id', 'project_id', 'member_id', 'status', 'created_at', 'updated_at'];
  commands.group(noun, 'Share workflows with other projects.');
  const path = (run: Run, workflow: string): string => `${run.itemPath({ collection: 'workflows' }, workflow)}/members`;
  commands.command(
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
  commands.command(
    noun,
    'get <workflow-id> <project>',
    'Show one share.',
    async ({ session, run, args: [workflow = '', project = ''] }) =>
      run.show(session, await session.client.call('GET', `${path(run, workflow)}/${encodeURIComponent(project)}`)),
  );
  commands.command(
    noun,
    'create <workflow-id> <project>',
    'Offer a workflow to a project.',
    ({ session, run, args: [workflow = '', project] }) =>
      run.send(session, 'POST', path(run, workflow), { member_id: project }),
  );
  commands
    .command<{ status: string }>(
      noun,
      'update <workflow-id> <project>',
      'Accept or reject an offer.',
      ({ session, run, args: [workflow = '', project = ''], options }) =>
        run.send(session, 'PUT', `${path(run, workflow)}/${encodeURIComponent(project)}`, { status: options.status }),
    )
    .addOption(
      new Option('--status <status>', 'the answer').choices(['accepted', 'rejected', 'pending']).default('accepted'),
    );
  commands.command(
    noun,
    'delete <workflow-id> <project>',
    'Take a share back.',
    async ({ session, run, args: [workflow = '', project = ''] }) => {
      await session.client.call('DELETE', `${path(run, workflow)}/${encodeURIComponent(project)}`);
      return 0;
    },
  );
}
