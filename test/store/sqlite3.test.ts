import test from 'ava';
import { loadSqlite3 } from '../../engine/store/drivers/sqlite3.ts';
import { sqliteContract, sqliteFile, storeContract } from './contract.ts';

// An optional dependency: it is absent where there was neither a ready-made binary nor a compiler.
const declare = loadSqlite3() instanceof Error ? test.skip : test;

storeContract(declare, 'sqlite3', sqliteFile);
sqliteContract(declare, 'sqlite3');
