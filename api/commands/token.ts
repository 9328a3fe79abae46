import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { openStore } from '../../engine/store/connection.ts';
import type { Store } from '../../engine/store/connection.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { addToken, listTokens, revokeToken } from '../../engine/store/tokens.ts';
import type { CreateLogger } from '../cli.ts';
import { formatTime } from '../fields.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { readSettings } from './settings.ts';
import type { CommonOptions } from './settings.ts';

export interface TokenAddOptions extends CommonOptions {
  readonly token?: string;
  readonly project: string;
  readonly role: readonly string[];
  readonly user?: string;
  readonly expires?: string;
}

/** Prints a token that was made here once, and never again. */
export async function tokenAddCommand(
  options: TokenAddOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  const { project, role, user } = options;
  const given = options.token === '-' ? readFileSync(0, 'utf8').trim() : options.token;
  if (given !== undefined && !/^[\x21-\x7e]{4,4096}$/.test(given)) {
    throw new UsageError('A token is 4 to 4096 printable ASCII characters without spaces: it travels in a header.');
  }
  if (project === '' || project.length > 80) throw new UsageError('A project id has 1 to 80 characters.');
  const token = given ?? randomBytes(32).toString('base64url');
  const expiresAt = options.expires === undefined ? null : momentOf(options.expires, Date.now());
  return withStore(options, createLogger, async ({ writer }) => {
    const stored = await addToken(writer, {
      token,
      projectId: project,
      userId: user ?? project,
      roles: role,
      expiresAt,
    });
    terminal.err(
      `token ${stored.id} for project ${project}, ${role.length === 0 ? 'no roles' : `roles ${role.join(', ')}`}\n`,
    );
    if (given === undefined) terminal.out(`${token}\n`);
    return 0;
  });
}

export function tokenListCommand(
  options: CommonOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  return withStore(options, createLogger, async ({ reader }) => {
    const tokens = await listTokens(reader);
    const rows = tokens.map(({ id, projectId, userId, roles, createdAt, expiresAt }) => [
      id,
      projectId,
      userId,
      roles.join(','),
      formatTime(createdAt) ?? '',
      formatTime(expiresAt) ?? 'never',
    ]);
    for (const row of [['ID', 'PROJECT', 'USER', 'ROLES', 'CREATED', 'EXPIRES'], ...rows])
      terminal.out(`${row.join('\t')}\n`);
    return 0;
  });
}

/** @param which the id that `token list` shows, or the token itself. */
export function tokenRevokeCommand(
  which: string,
  options: CommonOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  return withStore(options, createLogger, async ({ writer }) => {
    if ((await revokeToken(writer, { id: which })) || (await revokeToken(writer, { token: which }))) return 0;
    terminal.err('There is no such token; tramontane token list shows the ids.\n');
    return 1;
  });
}

/** Beside a running server as well: it looks tokens up in the same database. */
async function withStore(
  options: CommonOptions,
  createLogger: CreateLogger,
  run: (store: Store) => Promise<ExitCode>,
): Promise<ExitCode> {
  const config = readSettings(options, {});
  const driver = config.databaseDriver ?? undefined;
  const store = await openStore({ url: config.database, driver }, createLogger(config.logLevel));
  try {
    await migrate(store);
    return await run(store);
  } finally {
    await store.close();
  }
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12h`, `90m`, or a date such as `2027-01-31`. */
function momentOf(text: string, now: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const moment = count === undefined ? Date.parse(text) : now + Number(count) * (UNITS[unit] ?? 0);
  if (Number.isNaN(moment))
    throw new UsageError(`'${text}' is no time; write 30d, 12h, 90m or a date such as 2027-01-31`);
  return moment;
}
