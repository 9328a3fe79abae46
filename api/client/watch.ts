import { isJsonObject, parseJson } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { ExitCode } from '../terminal.ts';
import { ServerError } from './http.ts';
import { itemsOf, show } from './run.ts';
import type { Session } from './run.ts';

/** Prints what happens to an execution until it ends. 0 for SUCCESS, 1 for another end, 130 when the user stops watching. */
export async function watch(session: Session, id: string): Promise<ExitCode> {
  const { terminal, format } = session;
  const leave = new AbortController();
  void terminal.stopped.then(() => leave.abort());
  let last = '';
  // Only the first change of a thing says its name.
  const names = new Map<string, string>();
  for (let failures = 0; ; ) {
    try {
      const ended = await follow(session, id, last, leave.signal, (event) => {
        failures = 0;
        if (event.id !== '') last = event.id;
        if (event.event === 'end') return;
        terminal.out(
          format === 'json' ? `${JSON.stringify({ event: event.event, ...event.data })}\n` : lineOf(event, names),
        );
      });
      if (ended) break;
    } catch (error) {
      if (leave.signal.aborted) return 130;
      // A server that restarts goes on with the execution; one that refuses does not change its mind.
      if (
        ++failures > MOST_FAILURES ||
        !(error instanceof ServerError) ||
        (error.status !== null && error.status < 500)
      ) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  const execution = await session.client.call('GET', `/v2/executions/${encodeURIComponent(id)}`);
  if (!isJsonObject(execution)) return 1;
  const { state, state_info: info } = execution;
  if (format !== 'json') terminal.err(`${String(state)}${info === null ? '' : `: ${String(info)}`}\n`);
  return state === 'SUCCESS' ? 0 : 1;
}

/** The last lines of the logs of all jobs of an execution, each under its task's name. */
export async function logs(session: Session, id: string): Promise<ExitCode> {
  const { client, terminal } = session;
  const path = `/v2/executions/${encodeURIComponent(id)}`;
  const tree = itemsOf(await client.call('GET', `${path}/executions`), 'executions');
  let found = 0;
  for (const execution of tree) {
    const tasks = itemsOf(await client.call('GET', `/v2/executions/${String(execution['id'])}/tasks`), 'tasks');
    for (const task of tasks.filter(({ type }) => type === 'ACTION')) {
      const actions = itemsOf(
        await client.call('GET', `/v2/tasks/${String(task['id'])}/action_executions`),
        'action_executions',
      );
      for (const action of actions) found += await printLog(session, task, action);
    }
  }
  if (found === 0) terminal.err('No job outside has left a log: only Spark, Flink and the like have one.\n');
  return 0;
}

async function printLog({ client, terminal }: Session, task: JsonObject, action: JsonObject): Promise<number> {
  try {
    const text = await client.text(`/v2/action_executions/${String(action['id'])}/log`);
    terminal.out(`== ${String(task['name'])} (${String(action['name'])}, ${String(action['state'])})\n${text}`);
    return 1;
  } catch (error) {
    if (error instanceof ServerError && error.status === 404) return 0;
    throw error;
  }
}

/** Runs every failed task again, or one of them. */
export async function rerun(
  session: Session,
  id: string,
  options: { readonly task?: string; readonly resume?: boolean; readonly env: JsonObject | undefined },
): Promise<ExitCode> {
  const { client, terminal } = session;
  const failed = itemsOf(
    await client.call('GET', `/v2/executions/${encodeURIComponent(id)}/tasks`, { query: { state: 'ERROR' } }),
    'tasks',
  ).filter(({ name, id: taskId }) => options.task === undefined || name === options.task || taskId === options.task);
  if (failed.length === 0) {
    terminal.err(
      options.task === undefined ? 'No task of it is in ERROR.\n' : `No task ${options.task} of it is in ERROR.\n`,
    );
    return 1;
  }
  for (const task of failed) {
    const json = {
      state: 'RUNNING',
      reset: options.resume !== true,
      ...(options.env === undefined ? {} : { env: options.env }),
    };
    await client.call('PUT', `/v2/tasks/${String(task['id'])}`, { json });
    terminal.err(`runs again: ${String(task['name'])}\n`);
  }
  return show(session, await client.call('GET', `/v2/executions/${encodeURIComponent(id)}`));
}

interface SentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: JsonObject;
}

const MOST_FAILURES = 30;

/** @returns whether the server said that this is the end. */
async function follow(
  { client }: Session,
  id: string,
  last: string,
  signal: AbortSignal,
  tell: (event: SentEvent) => void,
): Promise<boolean> {
  const headers: Record<string, string> = last === '' ? {} : { 'Last-Event-ID': last };
  const response = await client.open(`/v2/executions/${encodeURIComponent(id)}/stream`, headers, signal);
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event === null) continue;
        tell(event);
        if (event.event === 'end') return true;
      }
    }
  } catch (error) {
    if (signal.aborted || error instanceof ServerError) throw error;
    throw new ServerError(null, `The connection to the server broke: ${String(error)}`, error);
  }
  return false;
}

function parseEvent(block: string): SentEvent | null {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
    }),
  );
  const event = fields.get('event');
  if (event === undefined) return null;
  const data = parseJson(fields.get('data') ?? '{}');
  return { id: fields.get('id') ?? '', event, data: isJsonObject(data) ? data : {} };
}

function lineOf({ event, data }: SentEvent, names: Map<string, string>): string {
  const { at, name, id, state, workflow_name: workflow } = data;
  if (typeof name === 'string') names.set(String(id), name);
  const shown = names.get(String(id)) ?? (event === 'execution' ? workflow : id);
  return `${String(at)}  ${event.padEnd(9)}  ${String(state).padEnd(9)}  ${String(shown)}\n`;
}
