import type { Action } from '../action.ts';
import { asyncNoop } from './async-noop.ts';
import { echo } from './echo.ts';
import { fail } from './fail.ts';
import { http, mistralHttp } from './http.ts';
import { noop } from './noop.ts';
import { sleepAction } from './sleep.ts';
import { testDict } from './test-dict.ts';

/** Mistral's own actions (spec/engine.md §27). */
export function stdPack(): readonly Action[] {
  return [noop, asyncNoop, echo, fail, sleepAction, testDict, http, mistralHttp];
}
