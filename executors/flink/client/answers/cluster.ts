import { anything, flag, float, integer, list, map, nullable, object, openWord, optional, text } from '../shapes.ts';

/** Answers about the cluster as a whole, its JobManager and its task managers (spec/flink.md §1.6). */

export const clusterOverview = object({
  taskmanagers: integer,
  'taskmanagers-blocked': optional(integer),
  'slots-total': integer,
  'slots-available': integer,
  'slots-free-and-blocked': optional(integer),
  'jobs-running': integer,
  'jobs-finished': integer,
  'jobs-cancelled': integer,
  'jobs-failed': integer,
  'flink-version': text,
  'flink-commit': text,
});

export const dashboardConfig = object({
  'refresh-interval': integer,
  'timezone-name': text,
  'timezone-offset': integer,
  'flink-version': text,
  'flink-revision': text,
  features: object({
    'web-submit': flag,
    'web-cancel': optional(flag),
    'web-rescale': optional(flag),
    'web-history': optional(flag),
  }),
});

export const datasets = object({ dataSets: list(object({ id: text, isComplete: flag })) });

export const logFiles = object({ logs: list(object({ name: text, size: integer, mtime: optional(integer) })) });

export const environment = object({
  jvm: object({ version: text, arch: text, options: list(text) }),
  classpath: list(text),
});

export const logUrl = object({ url: text });

const profileFields = {
  status: openWord('RUNNING', 'FINISHED', 'FAILED'),
  mode: openWord('CPU', 'ALLOC', 'LOCK', 'WALL', 'ITIMER'),
  triggerTime: integer,
  finishedTime: nullable(integer),
  duration: integer,
  message: nullable(text),
  outputFile: nullable(text),
};

export const profile = object(profileFields);
export const profiles = object({ profilingList: list(profile) });

export const resources = object({
  cpuCores: float,
  taskHeapMemory: integer,
  taskOffHeapMemory: integer,
  managedMemory: integer,
  networkMemory: integer,
  extendedResources: optional(map(float)),
});

const taskManagerFields = {
  id: text,
  path: text,
  dataPort: integer,
  jmxPort: optional(integer),
  timeSinceLastHeartbeat: integer,
  slotsNumber: integer,
  freeSlots: integer,
  assignedTasks: optional(integer),
  blocked: optional(flag),
  totalResource: optional(resources),
  freeResource: optional(resources),
  hardware: object({ cpuCores: integer, physicalMemory: integer, freeMemory: integer, managedMemory: integer }),
  memoryConfiguration: optional(map(nullable(integer))),
};

export const taskManagers = object({ taskmanagers: list(object(taskManagerFields)) });

export const taskManager = object({
  ...taskManagerFields,
  allocatedSlots: optional(list(anything)),
  metrics: object({
    heapUsed: integer,
    heapCommitted: integer,
    heapMax: integer,
    nonHeapUsed: integer,
    nonHeapCommitted: integer,
    nonHeapMax: integer,
    garbageCollectors: list(object({ name: text, count: integer, time: integer })),
  }),
});

/** Ids of metrics; with `get` their values, which are texts and may be "NaN". */
export const metrics = list(object({ id: text, value: optional(text) }));

/** Ids of metrics; with `get` their figures over all members. */
export const aggregates = list(
  object({
    id: text,
    min: optional(float),
    max: optional(float),
    avg: optional(float),
    sum: optional(float),
    skew: optional(float),
  }),
);
