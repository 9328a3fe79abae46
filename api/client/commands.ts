import type { Command } from 'commander';
import type { ExitCode, Terminal } from '../terminal.ts';
import { ClientCommands } from './command-groups.ts';
import { addActionExecutions } from './commands/action-executions.ts';
import { addClusters } from './commands/clusters.ts';
import { addCollection } from './commands/collections.ts';
import { addEnvironments } from './commands/environments.ts';
import { addExecutions } from './commands/executions.ts';
import { addFiles } from './commands/files.ts';
import { addMembers } from './commands/members.ts';
import { addServer } from './commands/server.ts';
import { addSources } from './commands/sources.ts';
import { addTasks } from './commands/tasks.ts';
import { addTriggers } from './commands/triggers.ts';
import { NOUNS } from './nouns.ts';

/** The command line as a client of a server: what it does is loaded only when it is asked for. */
export function addClientCommands(program: Command, terminal: Terminal, ended: (code: ExitCode) => void): void {
  const commands = new ClientCommands(program, terminal, ended);
  for (const noun of NOUNS) addCollection(commands, noun);
  addExecutions(commands);
  addTasks(commands);
  addActionExecutions(commands);
  addTriggers(commands);
  addEnvironments(commands);
  addSources(commands);
  addFiles(commands);
  addMembers(commands);
  addServer(commands);
  addClusters(commands);
}
