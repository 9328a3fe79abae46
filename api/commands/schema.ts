import { dslSchema } from '../../dsl/schema.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

/** Prints the JSON Schema of the language. */
export function schemaCommand(terminal: Terminal): ExitCode {
  terminal.out(`${JSON.stringify(dslSchema(), null, 2)}\n`);
  return 0;
}
