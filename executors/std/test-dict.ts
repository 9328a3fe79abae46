import { setKey, type Json } from '../../dsl/json.ts';
import { failure, success, type PureAction } from '../action.ts';
import { toNumber, toText } from '../inputs.ts';

export const testDict: PureAction = {
  name: 'std.test_dict',
  description: 'Makes a mapping of a given size, for tests of large contexts.',
  kind: 'pure',
  repeatSafe: true,
  parameters: {
    type: 'object',
    properties: {
      size: { type: 'integer', minimum: 0, default: 0, description: 'How many keys.' },
      key_prefix: { type: 'string', default: '', description: 'Put before the number in each key.' },
      val: { default: '', description: 'The value of every key.' },
    },
    required: [],
    additionalProperties: false,
  },
  result: { description: '`{<prefix>0: val, <prefix>1: val, …}`.', schema: { type: 'object' } },
  examples: [
    { title: 'A thousand keys', yaml: "make:\n  action: std.test_dict size=1000 key_prefix='key_' val='x'\n" },
  ],
  evaluate(input) {
    const size = toNumber(input.size ?? 0) ?? 0;
    if (size > LARGEST) return failure(`std.test_dict makes at most ${LARGEST} keys; ${size} were asked for.`);
    const made: Record<string, Json> = {};
    for (let i = 0; i < size; i++) setKey(made, `${toText(input.key_prefix ?? '')}${i}`, input.val ?? '');
    return success(made);
  },
};

/** More would only stop the engine's thread: the field size limit ends far below. */
const LARGEST = 100_000;
