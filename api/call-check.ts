import type { CallCheck } from '../dsl/index.ts';
import type { Catalogue } from '../executors/index.ts';

/**
 * What the catalogue makes of the calls in a definition.
 *
 * A missing parameter is only a warning: an environment's `__actions` may supply it (spec/engine.md E-7.1). Other faults are
 * errors, but in an `upload` those in calls of Mistral's own `std.*` actions are warnings too: the reference takes such
 * definitions and fails the task when it runs (spec/engine.md §9). `strict` is for people who check a file.
 */
export function callCheck(catalogue: Catalogue, mode: 'strict' | 'upload'): CallCheck {
  return (name, input) =>
    catalogue.checkCall(name, input).map(({ parameter, problem, message, hint }) => ({
      parameter,
      message,
      hint,
      severity: problem === 'missing' || (mode === 'upload' && name.startsWith('std.')) ? 'warning' : 'error',
    }));
}
