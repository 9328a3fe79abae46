/**
 * Whether an error says only that there is nothing left to roll back: SQLite itself ends a transaction when the disk is full or
 * fails in the middle of a statement. Reported as an error, it would take the place of the one that tells why.
 */
export function isNothingToRollBack(sql: string, error: unknown): boolean {
  return /^rollback;?$/i.test(sql.trim()) && error instanceof Error && /no transaction is active/.test(error.message);
}
