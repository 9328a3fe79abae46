import type { Json } from '../../dsl/json.ts';
import { isTruthy } from '../inputs.ts';
import { failure, type PureAction } from '../action.ts';

export const fail: PureAction = {
  name: 'std.fail',
  description: 'Fails always; for tests of error handling and for ending a branch with an error.',
  kind: 'pure',
  repeatSafe: true,
  parameters: {
    type: 'object',
    properties: { error_data: { default: null, description: 'What the error holds, any value.' } },
    required: [],
    additionalProperties: false,
  },
  result: { description: 'Never succeeds; the error is `error_data`, or a fixed text without it.' },
  examples: [
    { title: 'Fail with data', yaml: 'give_up:\n  action: std.fail\n  input:\n    error_data: {reason: no rows}\n' },
  ],
  evaluate: (input) => failure(errorOf(input.error_data ?? null)),
};

/** Falsy data, `{}` included, gives the reference's text (spec/engine.md §27). */
function errorOf(data: Json): Json {
  return isTruthy(data) ? data : 'Fail action expected exception.';
}
