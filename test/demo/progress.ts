import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionRecord, RestClient } from '../helpers/rest-client.ts';

const FINAL = new Set(['SUCCESS', 'ERROR', 'CANCELLED']);
const QUIET_SECONDS = 10;

/** Prints every change of a task's state, with sub-workflows indented, until the execution is final; returns it. */
export async function followExecution(
  client: RestClient,
  id: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<ExecutionRecord> {
  const known = new Map<string, string>();
  let lastSaid = Date.now();
  for (;;) {
    // The state first: what the tasks say afterwards is then complete.
    const execution = await client.execution(id);
    const lines = await changes(client, id, known, 0);
    for (const line of lines) say(line);
    if (FINAL.has(execution.state)) return execution;
    if (lines.length > 0) lastSaid = Date.now();
    else if (Date.now() - lastSaid > QUIET_SECONDS * 1000) {
      say('  ...');
      lastSaid = Date.now();
    }
    await sleep(300, undefined, { signal });
  }
}

async function changes(
  client: RestClient,
  executionId: string,
  known: Map<string, string>,
  depth: number,
): Promise<string[]> {
  const lines: string[] = [];
  for (const task of await client.tasks(executionId)) {
    const children = await client.children(task.id);
    if (known.get(task.id) !== task.state) {
      known.set(task.id, task.state);
      lines.push(`${'  '.repeat(depth + 1)}${task.name.padEnd(16)} ${task.state}${firstLine(task.state_info)}`);
    }
    for (const child of children) lines.push(...(await changes(client, child.id, known, depth + 1)));
  }
  return lines;
}

function firstLine(text: string | null): string {
  const line = text?.split('\n')[0]?.slice(0, 300) ?? '';
  return line === '' ? '' : `  ${line}`;
}
