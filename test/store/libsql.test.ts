import test from 'ava';
import { sqliteContract, sqliteFile, storeContract } from './contract.ts';

storeContract(test, 'libsql', sqliteFile);
sqliteContract(test, 'libsql');
