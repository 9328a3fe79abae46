import { success, type AsyncAction } from '../action.ts';

export const asyncNoop: AsyncAction = {
  name: 'std.async_noop',
  description: 'Does nothing and waits until somebody completes it through the API.',
  kind: 'async',
  repeatSafe: true,
  parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
  result: { description: 'What the action is completed with.' },
  examples: [{ title: 'Wait for an approval', yaml: 'approve:\n  action: std.async_noop\n  timeout: 86400\n' }],
  run: async () => success(null),
};
