import { FunctionTable } from '../context.ts';
import { booleanFunctions } from './boolean.ts';
import { branchingFunctions } from './branching.ts';
import { collectionFunctions } from './collections.ts';
import { commonFunctions } from './common.ts';
import { datetimeFunctions } from './datetime.ts';
import { dictFunctions } from './dicts.ts';
import { mathFunctions } from './math.ts';
import { queryFunctions } from './queries.ts';
import { regexFunctions } from './regex.ts';
import { sequenceFunctions } from './sequences.ts';
import { setFunctions } from './sets.ts';
import { stringFunctions } from './strings.ts';
import { systemFunctions } from './system.ts';

let table: FunctionTable | undefined;

/** The standard library (spec/expressions.md §9), one table for all contexts. */
export function standardFunctions(): FunctionTable {
  if (table) return table;
  table = new FunctionTable();
  const all = [
    systemFunctions,
    commonFunctions,
    booleanFunctions,
    branchingFunctions,
    mathFunctions,
    stringFunctions,
    regexFunctions,
    collectionFunctions,
    dictFunctions,
    setFunctions,
    queryFunctions,
    sequenceFunctions,
    datetimeFunctions,
  ];
  for (const definition of all.flat()) table.add(definition);
  return table;
}
