import test from 'ava';
import { storeContract } from './contract.ts';

storeContract(test, 'sqlite3');
