import { register } from 'node:module';
import type { Mutant } from '../simulation/mutants.ts';

/** Loaded before a server (`node --import`): the reaper takes leases from executions that go on. */
const mutant: Mutant = {
  name: 'a lease that ends before its execution',
  file: 'cluster-pool/store/leases.js',
  from: 'isFinalState(state) && (changedAt',
  to: '(changedAt',
  seeds: 0,
};
register('../simulation/planting.js', import.meta.url, { data: mutant });
