import type { JsonObject } from '../../dsl/json.ts';
import { success, type PureAction } from '../action.ts';
import { toWholeSeconds } from '../inputs.ts';
import { sleep } from '../sleep.ts';

export const echo: PureAction = {
  name: 'std.echo',
  description: 'Gives back what it gets; with a delay, only after that time.',
  kind: 'pure',
  repeatSafe: true,
  parameters: {
    type: 'object',
    properties: {
      output: { description: 'Any value: the result.' },
      delay: {
        type: ['number', 'string', 'null'],
        default: 0,
        description: 'Seconds to wait; text that is no number counts as 0.',
      },
    },
    required: ['output'],
    additionalProperties: false,
  },
  result: { description: 'The value of `output`.' },
  examples: [{ title: 'Say a word', yaml: "greet:\n  action: std.echo output='Hello <% $.name %>'\n" }],
  evaluate: (input) => success(input.output ?? null),
  worker: {
    needed: (input) => delaySeconds(input) > 0,
    async run(input, context) {
      await sleep(delaySeconds(input) * 1000, context.signal);
      return success(input.output ?? null);
    },
  },
};

function delaySeconds(input: JsonObject): number {
  return toWholeSeconds(input.delay ?? 0);
}
