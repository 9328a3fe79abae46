import test from 'ava';
import { storeContract } from './contract.ts';

storeContract(test, 'libsql');
