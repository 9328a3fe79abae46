import { createRequire } from 'node:module';
import type * as Bullmq from 'bullmq';
import type * as Ioredis from 'ioredis';
import type * as Pg from 'pg';

const require = createRequire(import.meta.url);

// What only a node with PostgreSQL or Redis needs, loaded at its first use: together a third of the time that a server on SQLite takes to start.

export function bullmq(): typeof Bullmq {
  return require('bullmq') as typeof Bullmq;
}

export function ioredis(): typeof Ioredis {
  return require('ioredis') as typeof Ioredis;
}

export function pg(): typeof Pg {
  return require('pg') as typeof Pg;
}
