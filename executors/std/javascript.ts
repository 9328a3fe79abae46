import { failure, success, type SyncAction } from '../action.ts';
import { toText } from '../inputs.ts';
import { ScriptFailure, type ScriptRunner } from '../javascript/script-runner.ts';

/** spec/engine.md §27: one action under two names. */
export function createJavaScriptActions(runner: ScriptRunner): readonly SyncAction[] {
  return ['std.javascript', 'std.js'].map((name) => ({
    name,
    description:
      'Runs JavaScript: the body of a function, with `context` under the name `$`. It cannot reach files, network or timers, and ends at limits of time and memory.',
    kind: 'sync',
    repeatSafe: true,
    parameters: {
      type: 'object',
      properties: {
        script: { type: 'string', description: 'Body of a function; `return` gives the result.' },
        context: { default: null, description: 'Any value: `$` in the script.' },
      },
      required: ['script'],
      additionalProperties: false,
    },
    result: {
      description:
        'What the script returns, as JSON: nothing gives null, a promise what it is resolved with, a BigInt an integer of any size.',
    },
    examples: [
      {
        title: 'Add up',
        yaml: `sum:\n  action: ${name}\n  input:\n    context: <% $.numbers %>\n    script: |\n      return $.reduce((sum, number) => sum + number, 0);\n`,
      },
    ],
    async run(input, context) {
      try {
        return success(await runner.run(toText(input.script ?? ''), input.context ?? null, context.signal));
      } catch (error) {
        if (!(error instanceof ScriptFailure)) throw error;
        return failure(`JavaScriptAction failed: ${error.message}`);
      }
    },
  }));
}
