import { anything, figure, integer, lazy, list, map, object, openWord, optional, text, type Shape } from '../shapes.ts';
import { ioMetrics, taskState } from './jobs.ts';

/** Answers about the vertices of a job and their subtasks (spec/flink.md §1.6). */

const attemptFields = {
  subtask: integer,
  status: taskState,
  attempt: integer,
  /** Until 1.20. */
  host: optional(text),
  /** 1.19 or later. */
  endpoint: optional(text),
  'start-time': integer,
  'end-time': integer,
  duration: integer,
  metrics: ioMetrics,
  'taskmanager-id': optional(text),
  'status-duration': optional(map(integer)),
};

export const attempt = object(attemptFields);

export const vertex = object({
  id: text,
  name: text,
  parallelism: integer,
  maxParallelism: optional(integer),
  now: integer,
  subtasks: list(attempt),
  aggregated: optional(anything),
});

/** Ask again while `status` is `deprecated`: the first question only starts the sampling. */
export const backpressure = object({
  status: openWord('deprecated', 'ok'),
  'backpressure-level': optional(openWord('ok', 'low', 'high')),
  'end-timestamp': optional(integer),
  subtasks: optional(
    list(
      object({
        subtask: integer,
        'backpressure-level': openWord('ok', 'low', 'high'),
        // A task without a figure of how busy it is, such as a legacy source, has "NaN".
        ratio: figure,
        idleRatio: optional(figure),
        busyRatio: optional(figure),
      }),
    ),
  ),
});

export const subtaskTimes = object({
  id: text,
  name: text,
  now: integer,
  subtasks: list(
    object({
      subtask: integer,
      host: optional(text),
      endpoint: optional(text),
      duration: integer,
      timestamps: map(integer),
    }),
  ),
});

export const vertexTaskManagers = object({
  id: text,
  name: text,
  now: integer,
  taskmanagers: list(
    object({
      host: optional(text),
      endpoint: optional(text),
      status: taskState,
      'start-time': integer,
      'end-time': integer,
      duration: integer,
      metrics: ioMetrics,
      'status-counts': map(integer),
      'taskmanager-id': optional(text),
    }),
  ),
});

export const watermarks = list(object({ id: text, value: text }));

const accumulator = object({ name: text, type: text, value: text });

export const vertexAccumulators = object({ id: text, 'user-accumulators': list(accumulator) });

export const subtaskAccumulators = object({
  id: text,
  parallelism: integer,
  subtasks: list(
    object({
      subtask: integer,
      attempt: integer,
      host: optional(text),
      endpoint: optional(text),
      'user-accumulators': list(accumulator),
    }),
  ),
});

export const attemptAccumulators = object({
  subtask: integer,
  attempt: integer,
  id: text,
  'user-accumulators': list(accumulator),
});

export interface Frame {
  readonly name: string;
  readonly value: number;
  readonly children: readonly Frame[];
}

const frame: Shape<Frame> = object({ name: text, value: integer, children: lazy(() => list(frame)) });

/** Not sampled yet: a negative `endTimestamp` and no `data`; ask again. */
export const flamegraph = object({ endTimestamp: integer, data: optional(frame) });
