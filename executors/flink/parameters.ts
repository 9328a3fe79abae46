import type { JsonObject } from '../../dsl/json.ts';

/** Parameters in the words of schemas. All may be null, which counts as absent: workflows pass on inputs that they may not have. */
export const text = (description: string): JsonObject => ({ type: ['string', 'null'], description });
export const seconds = (description: string): JsonObject => ({ type: ['number', 'null'], minimum: 0, description });
export const flag = (description: string, byDefault: boolean): JsonObject => ({
  type: ['boolean', 'null'],
  default: byDefault,
  description,
});
export const choice = (values: readonly string[], description: string): JsonObject => ({
  type: ['string', 'null'],
  enum: values,
  description,
});

/** What a start of a jar takes, wherever there is one. */
export const JAR_INPUTS: Readonly<Record<string, JsonObject>> = {
  jar: {
    type: ['string', 'object'],
    description: "Path on the executor's host, http(s) address, or {jar_id: …} of a jar on the cluster.",
  },
  sha256: text('What the content of the jar must be.'),
  entry_class: text("Main class; default: the jar's own."),
  args: {
    type: ['array', 'object', 'null'],
    description: 'Arguments of the program; a mapping becomes `--key value` pairs.',
  },
  parallelism: { type: ['integer', 'null'], minimum: 1, description: 'Default parallelism of the job.' },
  job_name: text(
    'Name of the job (Flink 1.17 or later); without effect on a program that calls execute() with a name.',
  ),
  config: { type: ['object', 'null'], description: 'Flink configuration of the job (1.17 or later).' },
  allow_non_restored_state: flag('Drop state that fits no operator.', false),
  claim_mode: choice(['CLAIM', 'NO_CLAIM', 'LEGACY'], 'Who owns the savepoint afterwards (1.15 or later).'),
};
