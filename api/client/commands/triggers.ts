import { UUID, collect } from '../command-groups.ts';
import type { ClientCommands } from '../command-groups.ts';

export function addTriggers(commands: ClientCommands): void {
  commands
    .command<{
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
  commands
    .command<{
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
  commands
    .command<{ name?: string; workflow?: string; input: readonly string[]; params: readonly string[] }>(
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
