import { getQuickJS } from 'quickjs-emscripten';
import type { ChildMessage } from './child-pool.ts';
import { runScript, type ScriptRequest } from './sandbox.ts';

/** The program of a child process that evaluates scripts: requests come in as JSON text, outcomes go out as JSON text. */

/** The engine's memory never shrinks: beyond this the process is replaced. */
const TIRED_BYTES = 300 * 1024 * 1024;

const quickJs = await getQuickJS();
process.on('message', (text: string) => {
  const { outcome, isBroken } = runScript(quickJs, JSON.parse(text) as ScriptRequest);
  const tired = isBroken || process.memoryUsage().rss > TIRED_BYTES;
  answer({ type: 'answer', text: JSON.stringify(outcome), tired });
});
answer({ type: 'ready' });

function answer(message: ChildMessage): void {
  process.send?.(message);
}
