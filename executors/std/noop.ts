import { success, type PureAction } from '../action.ts';

export const noop: PureAction = {
  name: 'std.noop',
  description: 'Does nothing and succeeds at once.',
  kind: 'pure',
  repeatSafe: true,
  parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
  result: { description: 'null.', schema: { type: 'null' } },
  examples: [{ title: 'A step that only joins branches', yaml: 'gather:\n  join: all\n  action: std.noop\n' }],
  evaluate: () => success(null),
};
