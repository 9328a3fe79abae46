import type { Knex } from 'knex';
import * as initial from './0001-initial.ts';

export interface Migration {
  /** Counts from 1 without gaps. A released migration never changes. */
  readonly version: number;
  readonly name: string;
  readonly up: (trx: Knex) => Promise<void>;
}

export const MIGRATIONS: readonly Migration[] = [{ version: 1, name: 'initial', up: initial.up }];
