import {
  anything,
  figure,
  flag,
  integer,
  list,
  long,
  map,
  nullable,
  object,
  openWord,
  optional,
  text,
} from '../shapes.ts';

/** Answers about checkpoints and savepoints of a job (spec/flink.md §1.6). */

const spread = object({
  min: integer,
  max: integer,
  avg: integer,
  p50: optional(figure),
  p90: optional(figure),
  p95: optional(figure),
  p99: optional(figure),
  p999: optional(figure),
});

const progressFields = {
  id: integer,
  status: openWord('IN_PROGRESS', 'COMPLETED', 'FAILED'),
  latest_ack_timestamp: integer,
  state_size: integer,
  checkpointed_size: optional(integer),
  end_to_end_duration: integer,
  alignment_buffered: integer,
  processed_data: integer,
  persisted_data: integer,
  num_subtasks: integer,
  num_acknowledged_subtasks: integer,
};

const checkpointFields = {
  ...progressFields,
  is_savepoint: flag,
  savepointFormat: optional(nullable(text)),
  trigger_timestamp: integer,
  checkpoint_type: text,
  tasks: map(object(progressFields)),
  /** Where it lies, once it is complete. */
  external_path: optional(text),
  discarded: optional(flag),
  failure_timestamp: optional(integer),
  failure_message: optional(nullable(text)),
};

export const checkpoint = object(checkpointFields);

export const checkpoints = object({
  counts: object({ restored: integer, total: integer, in_progress: integer, completed: integer, failed: integer }),
  summary: object({ state_size: spread, end_to_end_duration: spread, processed_data: spread, persisted_data: spread }),
  latest: object({
    completed: nullable(checkpoint),
    savepoint: nullable(checkpoint),
    failed: nullable(checkpoint),
    restored: nullable(
      object({ id: integer, restore_timestamp: integer, is_savepoint: flag, external_path: nullable(text) }),
    ),
  }),
  history: list(checkpoint),
});

/** Without checkpointing `interval` is the largest long there is. */
export const checkpointConfig = object({
  mode: openWord('exactly_once', 'at_least_once'),
  interval: long,
  timeout: long,
  min_pause: long,
  max_concurrent: integer,
  externalization: object({ enabled: flag, delete_on_cancellation: flag }),
  state_backend: optional(nullable(text)),
  checkpoint_storage: optional(nullable(text)),
  unaligned_checkpoints: flag,
  tolerable_failed_checkpoints: integer,
});

export const checkpointSubtasks = object({
  ...progressFields,
  summary: map(anything),
  subtasks: list(
    object({ index: integer, status: text, ack_timestamp: optional(integer), end_to_end_duration: optional(integer) }),
  ),
});
