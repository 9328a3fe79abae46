import type { Knex } from 'knex';
import { decodeJson } from './columns.ts';
import { databaseNow, rowsOf } from './dialect.ts';

/** The processes that share a database, and the leases that one of them holds at a time. All times are the database's. */

export interface ServiceRow {
  /** This start of this process. */
  readonly id: string;
  /** `<host>_<pid>`: spec/rest-api.md §3.15. */
  readonly name: string;
  readonly host: string;
  readonly roles: readonly string[];
  readonly state: 'live' | 'draining';
  readonly schemaVersion: number;
}

/** Tells that this process lives, and for how long others may rely on that. */
export async function announceService(knex: Knex, service: ServiceRow, leaseMs: number): Promise<void> {
  const now = databaseNow(knex);
  await knex.raw(
    `insert into services (id, name, host, roles, state, schema_version, started_at, seen_at, lease_until)
     values (?, ?, ?, ?, ?, ?, ${now}, ${now}, ${now} + ?)
     on conflict (id) do update set state = excluded.state, seen_at = excluded.seen_at, lease_until = excluded.lease_until`,
    [
      service.id,
      service.name,
      service.host,
      JSON.stringify(service.roles),
      service.state,
      service.schemaVersion,
      Math.round(leaseMs),
    ],
  );
}

export async function removeService(knex: Knex, id: string): Promise<void> {
  await knex('services').where('id', id).delete();
}

export async function liveServices(knex: Knex): Promise<readonly ServiceRow[]> {
  return rowsToServices(
    await knex('services')
      .whereRaw(`lease_until > ${databaseNow(knex)}`)
      .orderBy('id'),
  );
}

/** Those that have not been heard of for longer than they said. Their rows stay until somebody has seen to what they left. */
export async function deadServices(knex: Knex): Promise<readonly ServiceRow[]> {
  return rowsToServices(
    await knex('services')
      .whereRaw(`lease_until <= ${databaseNow(knex)}`)
      .orderBy('id'),
  );
}

/** Forgets those that have been dead for so long. */
export async function buryServices(knex: Knex, afterMs: number): Promise<void> {
  await knex('services')
    .whereRaw(`lease_until <= ${databaseNow(knex)} - ?`, [afterMs])
    .delete();
}

export async function findService(knex: Knex, id: string): Promise<ServiceRow | undefined> {
  return rowsToServices(await knex('services').where('id', id))[0];
}

/**
 * Takes or keeps a lease: null while somebody else holds it. The token grows with each change of holder: what is written on the
 * strength of a lease names it ({@link isLeaseHeld}), so that a holder who was asleep changes nothing.
 */
export async function takeLease(knex: Knex, name: string, holder: string, leaseMs: number): Promise<number | null> {
  const now = databaseNow(knex);
  const result = await knex.raw(
    `insert into leases (name, holder, token, expires_at) values (?, ?, 1, ${now} + ?)
     on conflict (name) do update set
       token = case when leases.holder = excluded.holder and leases.expires_at > ${now} then leases.token else leases.token + 1 end,
       holder = excluded.holder, expires_at = excluded.expires_at
     where leases.holder = excluded.holder or leases.expires_at <= ${now}
     returning token`,
    [name, holder, Math.round(leaseMs)],
  );
  const [row] = rowsOf<{ token: number }>(result);
  return row === undefined ? null : Number(row.token);
}

/** Within a transaction: whether the lease is still the one with this token. On PostgreSQL it stays so until the end. */
export async function isLeaseHeld(trx: Knex, name: string, holder: string, token: number): Promise<boolean> {
  const query = trx('leases')
    .where({ name, holder, token })
    .whereRaw(`expires_at > ${databaseNow(trx)}`);
  const row: unknown = await query.forShare().first('token');
  return row !== undefined;
}

/** Lets somebody else take it at once. */
export async function dropLease(knex: Knex, name: string, holder: string): Promise<void> {
  await knex('leases').where({ name, holder }).update({ expires_at: 0 });
}

interface RawService {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly roles: string;
  readonly state: ServiceRow['state'];
  readonly schema_version: number;
}

function rowsToServices(rows: readonly RawService[]): readonly ServiceRow[] {
  return rows.map(({ id, name, host, roles, state, schema_version }) => ({
    id,
    name,
    host,
    roles: decodeJson<string[]>(roles),
    state,
    schemaVersion: schema_version,
  }));
}
