import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Caller } from '../../engine/facade.ts';
import { DEFAULT_PROJECT } from '../auth/anonymous.ts';
import type { CreateLogger } from '../cli.ts';
import { startNode } from '../node.ts';
import type { Node } from '../node.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { follow } from './follow.ts';
import { readInput } from './input.ts';
import { cancel, endWhatStillRuns } from './left-overs.ts';
import { printOutcome, printOutcomeAsJson } from './outcome.ts';
import { readProgram } from './program.ts';
import type { Program } from './program.ts';
import { readSettings, readTextFile } from './settings.ts';
import type { CommonOptions } from './settings.ts';
import { TaskLines } from './task-lines.ts';

export interface RunOptions extends CommonOptions {
  readonly workflow?: string;
  readonly input: readonly string[];
  readonly env: readonly string[];
  readonly task?: string;
  readonly json?: boolean;
}

/** Everything happens in the name of the one who runs the program. */
const CALLER: Caller = { projectId: DEFAULT_PROJECT, isAdmin: true };

/** Runs one workflow on an engine of its own and waits for its end. */
export async function runCommand(
  file: string,
  options: RunOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  const program = readProgram(
    file,
    readTextFile(file),
    options.workflow ?? null,
    // A database that is kept may have them.
    options.database === undefined,
    terminal,
  );
  const input = readInput(options.input, '--input');
  const params = paramsOf(options);
  const folder = options.database === undefined ? mkdtempSync(join(tmpdir(), 'tramontane-run-')) : null;
  // A temporary database need not survive a power cut.
  const temporary =
    folder === null ? {} : { database: `sqlite:${join(folder, 'run.sqlite')}`, databaseSynchronous: 'normal' as const };
  const config = readSettings(options, temporary, { logLevel: 'warn', shutdownSeconds: 1 });
  try {
    const node = await startNode(config, createLogger(config.logLevel), terminal.environment, false);
    try {
      await upload(node, program);
      return await runToEnd(
        node,
        program,
        { input, params, json: options.json === true, temporary: folder !== null },
        terminal,
      );
    } finally {
      await node.close();
    }
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

interface Wanted {
  readonly input: JsonObject;
  readonly params: JsonObject;
  readonly json: boolean;
  /** Whether the database goes away at the end. */
  readonly temporary: boolean;
}

async function runToEnd(
  node: Node,
  program: Program,
  { input, params, json, temporary }: Wanted,
  terminal: Terminal,
): Promise<ExitCode> {
  const { id } = await node.engine.startExecution(CALLER, {
    id: null,
    workflowId: null,
    workflowName: program.workflow,
    workflowNamespace: '',
    input,
    params,
    description: null,
    sourceExecutionId: null,
  });
  const lines = new TaskLines(terminal, { quiet: json });
  const interruption = new AbortController();
  const interrupted = terminal.stopped.then(() => interruption.abort());
  const outcome = await follow(node, id, (tasks) => lines.show(tasks), interruption.signal);
  lines.end();
  if (interruption.signal.aborted) {
    await interrupted;
    await cancel(node, CALLER, id);
    terminal.err('Interrupted: the execution is cancelled.\n');
    return 130;
  }
  if (json) printOutcomeAsJson(outcome, terminal);
  else printOutcome(outcome, terminal);
  if (temporary) await endWhatStillRuns(node, CALLER, id);
  return outcome.execution.state === 'SUCCESS' ? 0 : 1;
}

/** The same file may run again on a database that is kept: its definitions are then brought up to date. */
async function upload({ definitions }: Node, { kind, text }: Program): Promise<void> {
  const place = { namespace: '', scope: 'private' } as const;
  const [create, update] =
    kind === 'workbook'
      ? [definitions.createWorkbook, definitions.updateWorkbook]
      : [definitions.createWorkflows, definitions.updateWorkflows];
  try {
    await create(CALLER, text, place);
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'CONFLICT')) throw error;
    await update(CALLER, text, place);
  }
}

function paramsOf({ env, task }: RunOptions): JsonObject {
  return {
    ...(env.length === 0 ? {} : { env: readInput(env, '--env') }),
    ...(task === undefined ? {} : { task_name: task }),
  };
}
