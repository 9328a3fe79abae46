import test from 'ava';
import { sqliteContract, sqliteFile, storeContract } from './contract.ts';

storeContract(test, 'sqlite3', sqliteFile);
sqliteContract(test, 'sqlite3');
