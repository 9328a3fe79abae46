import { createHash, timingSafeEqual } from 'node:crypto';
import type { Knex } from 'knex';
import { parseJson } from '../../dsl/json.ts';
import { EngineError } from '../errors.ts';
import { newId } from '../ids.ts';
import { isUniqueViolation } from './connection.ts';

/** Bearer tokens of the mode `token`. Only their SHA-256 is stored: whoever reads the database cannot use them. */

export interface StoredToken {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly roles: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

export interface NewToken {
  readonly token: string;
  readonly projectId: string;
  readonly userId: string;
  readonly roles: readonly string[];
  readonly expiresAt: number | null;
}

/** @throws EngineError CONFLICT when the token exists already. */
export async function addToken(writer: Knex, given: NewToken, now: number = Date.now()): Promise<StoredToken> {
  const { token, projectId, userId, roles, expiresAt } = given;
  const stored: StoredToken = { id: newId(), projectId, userId, roles, createdAt: now, expiresAt };
  const row: TokenRow = {
    id: stored.id,
    hash: hashOf(token),
    project_id: projectId,
    user_id: userId,
    roles: JSON.stringify(roles),
    created_at: now,
    expires_at: expiresAt,
  };
  try {
    await writer('tokens').insert(row);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new EngineError('CONFLICT', 'This token exists already; revoke it first to give it other rights.');
  }
  return stored;
}

/** In the order of their creation, without the tokens themselves: nobody knows them any more. */
export async function listTokens(reader: Knex): Promise<readonly StoredToken[]> {
  const rows: TokenRow[] = await reader('tokens').orderBy(['created_at', 'id']);
  return rows.map(fromRow);
}

/** By id, or by the token itself. @returns whether there was one. */
export async function revokeToken(
  writer: Knex,
  which: { readonly id: string } | { readonly token: string },
): Promise<boolean> {
  const key = 'id' in which ? { id: which.id } : { hash: hashOf(which.token) };
  return (await writer('tokens').where(key).delete()) > 0;
}

/** Who a token stands for, unless it is unknown or has expired. */
export async function findToken(
  reader: Knex,
  token: string,
  now: number = Date.now(),
): Promise<StoredToken | undefined> {
  const hash = hashOf(token);
  const row: TokenRow | undefined = await reader('tokens').where('hash', hash).first();
  // The index finds by hash, which tells nothing of the token; the comparison itself takes the same time for every outcome.
  if (row === undefined || !sameText(row.hash, hash)) return undefined;
  return row.expires_at !== null && row.expires_at <= now ? undefined : fromRow(row);
}

interface TokenRow {
  readonly id: string;
  readonly hash: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly roles: string;
  readonly created_at: number;
  readonly expires_at: number | null;
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function fromRow(row: TokenRow): StoredToken {
  const roles = parseJson(row.roles);
  return {
    id: row.id,
    projectId: row.project_id,
    userId: row.user_id,
    roles: Array.isArray(roles) ? roles.map(String) : [],
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
