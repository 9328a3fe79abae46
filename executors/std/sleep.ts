import { success, type SyncAction } from '../action.ts';
import { toWholeSeconds } from '../inputs.ts';
import { sleep } from '../sleep.ts';

export const sleepAction: SyncAction = {
  name: 'std.sleep',
  description:
    'Waits for a number of whole seconds. A task policy `wait-before` or `wait-after` does the same without an executor.',
  kind: 'sync',
  repeatSafe: true,
  parameters: {
    type: 'object',
    properties: {
      seconds: {
        type: ['number', 'string', 'null'],
        default: 1,
        description: 'Whole seconds; text that is no number counts as 0.',
      },
    },
    required: [],
    additionalProperties: false,
  },
  result: { description: 'null.', schema: { type: 'null' } },
  examples: [{ title: 'Two seconds', yaml: 'pause:\n  action: std.sleep seconds=2\n' }],
  async run(input, context) {
    await sleep(toWholeSeconds(input.seconds === undefined ? 1 : input.seconds) * 1000, context.signal);
    return success(null);
  },
};
