import test from 'ava';
import { testDatabase } from '../helpers/store.ts';
import { storeContract } from './contract.ts';

storeContract(test, 'pg', testDatabase);
