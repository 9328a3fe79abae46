import type { JsonObject } from '../../dsl/json.ts';
import type { ParameterSchema } from '../../engine/contract.ts';
import { flag, seconds, text } from '../flink/parameters.ts';
import { SERVICE_INPUTS } from './services.ts';

/** What cluster.apply takes, and the input `apply` of cluster.run. */
export const APPLY_INPUTS: Readonly<Record<string, JsonObject>> = {
  ...SERVICE_INPUTS,
  type: text('Kind of cluster, such as spark or flink; Cello: consensus_plugin.'),
  consensus_plugin: text('Another name of type.'),
  mode: text('Its mode, such as standalone or session; Cello: consensus_mode.'),
  consensus_mode: text('Another name of mode.'),
  size: { type: ['integer', 'null'], minimum: 1, description: 'Number of workers or task managers.' },
  size_min: { type: ['integer', 'null'], minimum: 1, description: 'At least so many of them.' },
  labels: { type: ['object', 'null'], description: 'Each of these labels must be there with the same value.' },
  name: text('Name of one cluster, to get that and no other.'),
  user_id: text(
    'Who holds it. Default: wf-<outermost execution>/<action execution>, which makes every apply safe to repeat. A shared one is safe only without allow_multiple.',
  ),
  allow_multiple: flag('With user_id: another cluster, even if this user holds one that fits.', false),
  wait: { ...seconds('Seconds to wait for a free one, first come first served; 0: fail at once.'), default: 0 },
  ttl: seconds('Seconds after which the lease ends if its execution is gone; built-in pools only.'),
  scope: {
    type: ['string', 'null'],
    enum: ['execution', 'root', 'none', null],
    default: 'execution',
    description:
      'What gives the cluster back: the end of this execution, that of the outermost one, or nothing but cluster.release.',
  },
  ready: flag('Wait until the endpoints answer.', true),
  ready_timeout: { ...seconds('How long to wait for that; then the cluster is given back.'), default: 120 },
  poll_interval: { ...seconds('Seconds between two questions while waiting.'), default: 5 },
};

export const CLUSTER_ID: JsonObject = {
  type: 'string',
  description: 'Id of this life of the cluster, as cluster.apply gave it.',
};

export function parameters(
  properties: Readonly<Record<string, JsonObject>>,
  required: readonly string[] = [],
): ParameterSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}

export const CLUSTER_RESULT: JsonObject = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'Id of this life; a release ends it.' },
    name: { type: 'string', description: 'Stays over all lives.' },
    type: { type: 'string' },
    mode: { type: 'string' },
    size: { type: 'integer' },
    labels: { type: 'object' },
    status: { type: 'string' },
    health: { type: 'string' },
    endpoints: { type: 'object', description: 'Addresses by name: master, rest, ui, …' },
    user_id: { type: 'string', description: 'Who holds it.' },
    lease: { type: 'object', description: '{id, owner, expires_at, scope}.' },
    service: { type: 'string', description: 'Who lent it: builtin, a connection, or an address.' },
  },
};
