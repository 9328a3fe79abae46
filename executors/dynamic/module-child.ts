import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ChildMessage } from '../javascript/child-pool.ts';
import type { ModuleOutcome } from './protocol.ts';

/**
 * The program of a child process for a module's code. The code has a thread of its own, so that this one can always hear that the
 * executor is gone: nothing is left running then, not even a loop without end.
 */
const thread = startThread();
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
process.on('message', (text: string) => thread.postMessage(text));
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
send({ type: 'ready' });

function startThread(): Worker {
  const path = fileURLToPath(import.meta.url);
  const worker = new Worker(path.replace('module-child', 'module-thread').replace(/\.[jt]s$/, extname(path)));
  worker.on('message', (text: string) => send({ type: 'answer', text, tired: false }));
  worker.on('error', (error: Error) => giveUp(error.message));
  worker.on('exit', () => giveUp('The code ended its process.'));
  return worker;
}

/** The thread is lost, and this process with it. */
function giveUp(message: string): void {
  const outcome: ModuleOutcome = { kind: 'raised', message };
  send({ type: 'answer', text: JSON.stringify(outcome), tired: true }, () => process.kill(process.pid, 'SIGKILL'));
}

function send(message: ChildMessage, then: () => void = () => {}): void {
  if (process.connected) process.send?.(message, then);
}
