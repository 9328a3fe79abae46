import { TramontaneError } from '../dsl/errors.ts';

/** The command line asks for something that cannot be: exit code 2. */
export class UsageError extends TramontaneError {
  override readonly name = 'UsageError';

  constructor(message: string) {
    super('USAGE', message);
  }
}
