import { register } from 'node:module';
import type { Mutant } from '../simulation/mutants.ts';

/**
 * Loaded before a node (`node --import`): takes the comparison of versions out of the claim on PostgreSQL, so that a node which was
 * overtaken while it stood still writes all the same. The simulation plants the same into the claim on SQLite.
 */
const mutant: Mutant = {
  name: 'no fencing by versions',
  file: 'engine/store/batch.js',
  from: 'on executions.id = source.id and executions.version = source.version',
  to: 'on executions.id = source.id',
  seeds: 0,
};
register('../simulation/planting.js', import.meta.url, { data: mutant });
