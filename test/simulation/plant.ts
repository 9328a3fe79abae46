import { register } from 'node:module';
import { MUTANTS } from './mutants.ts';

/** Loaded before the simulation (`node --import`): SIMULATION_MUTANT names the fault to plant. */
const mutant = MUTANTS.find(({ name }) => name === process.env.SIMULATION_MUTANT);
if (mutant === undefined) throw new Error(`there is no mutant '${process.env.SIMULATION_MUTANT ?? ''}'`);
register('./planting.js', import.meta.url, { data: mutant });
