/** What errors of the drivers mean. */

/** Whether an error says that a unique key or primary key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && (/UNIQUE constraint failed/.test(error.message) || codeOf(error) === '23505');
}

/** Whether an error comes from the connection (busy, full, I/O) rather than from the statement: worth another try. */
export function isConnectionError(error: unknown): boolean {
  return connectionTrouble(error) !== null;
}

/** Whether the statement itself was right and only met another one: worth another try at once. */
export function isCollision(error: unknown): boolean {
  const code = codeOf(error);
  return code === '40P01' || code === '40001' || code === '55P03';
}

/** What is wrong with the connection, to complete "The database …"; null for an error of another kind. */
export function connectionTrouble(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if (error.name === 'KnexTimeoutError') return 'has more to do than it can';
  const code = codeOf(error);
  const [, trouble = ''] = /^SQLITE_([A-Z]+)/.exec(code) ?? [];
  return SQLITE_TROUBLES.get(trouble) ?? postgresTrouble(code) ?? lostConnection(error);
}

const SQLITE_TROUBLES: ReadonlyMap<string, string> = new Map([
  ['BUSY', 'is held by another process'],
  ['LOCKED', 'is held by another connection'],
  ['FULL', 'cannot be written: its disk is full'],
  ['READONLY', 'cannot be written: its file or folder is read-only, or was moved away'],
  ['IOERR', 'cannot be read or written: its disk fails'],
  ['CANTOPEN', 'cannot be opened'],
  ['PROTOCOL', 'cannot be locked'],
]);

// By class (two characters) or in full: the server's own table of error codes, appendix A of its manual.
const POSTGRES_TROUBLES: ReadonlyMap<string, string> = new Map([
  ['08', 'cannot be reached'],
  ['25006', 'is read-only at the moment'],
  ['25P03', 'ended a transaction that had waited for too long'],
  ['28', 'refuses the user or the password'],
  ['3D000', 'does not exist on its server'],
  ['40P01', 'ended a deadlock'],
  ['40001', 'met another transaction'],
  ['53', 'has too many connections, or its disk or memory is full'],
  ['55P03', 'is locked by another transaction'],
  ['57P', 'is starting up or shutting down'],
  ['58', 'cannot be read or written: its disk fails'],
]);

function postgresTrouble(code: string): string | null {
  if (!/^[0-9A-Z]{5}$/.test(code)) return null;
  for (const length of [5, 3, 2]) {
    const trouble = POSTGRES_TROUBLES.get(code.slice(0, length));
    if (trouble !== undefined) return trouble;
  }
  return null;
}

const SOCKET_ERRORS =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)$/;
// The pg package has no codes for these. knex puts the statement in front of them.
const LOST =
  /(?:^| - )(?:Connection terminated(?: unexpectedly| due to connection timeout)?|Connection ended unexpectedly|Client has encountered a connection error and is not queryable|Client was closed and is not queryable|timeout expired)$/;

function lostConnection(error: Error): string | null {
  if (SOCKET_ERRORS.test(codeOf(error)) && 'syscall' in error) return 'cannot be reached';
  if (
    error instanceof AggregateError &&
    error.errors.some((one) => one instanceof Error && lostConnection(one) !== null)
  )
    return 'cannot be reached';
  return LOST.test(error.message) ? 'cannot be reached' : null;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
