import type { Action } from '../action.ts';
import { echo } from './echo.ts';
import { fail } from './fail.ts';
import { noop } from './noop.ts';

/** Mistral's own actions (spec/engine.md §27). */
export function stdPack(): readonly Action[] {
  return [noop, echo, fail];
}
