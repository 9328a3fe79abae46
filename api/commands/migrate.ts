import { existsSync } from 'node:fs';
import { isPostgresUrl, openStore } from '../../engine/store/connection.ts';
import { withoutPassword } from '../../engine/store/drivers/postgres.ts';
import { migrate, schemaVersions } from '../../engine/store/migrate.ts';
import type { CreateLogger } from '../cli.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { readSettings } from './settings.ts';
import type { CommonOptions } from './settings.ts';

export interface MigrateOptions extends CommonOptions {
  /** Only tell what would be done. */
  readonly check?: boolean;
}

export async function migrateCommand(
  options: MigrateOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  const config = readSettings(options, {});
  const name = withoutPassword(config.database);
  const check = options.check === true;
  if (check && isMissingFile(config.database)) {
    terminal.out(`${name} does not exist yet\n`);
    return 1;
  }
  const driver = config.databaseDriver ?? undefined;
  // A look disturbs no server that works on it.
  const store = await openStore({ url: config.database, driver, exclusive: !check }, createLogger(config.logLevel));
  try {
    if (check) {
      const { stored, known } = await schemaVersions(store.reader);
      terminal.out(`${name} ${stateOf(stored, known)}\n`);
      return stored === known ? 0 : 1;
    }
    const { from, to } = await migrate(store);
    const what = from === to ? `is up to date (schema version ${to})` : `went from schema version ${from} to ${to}`;
    terminal.out(`${name} ${what}\n`);
    return 0;
  } finally {
    await store.close();
  }
}

function stateOf(stored: number, known: number): string {
  if (stored === known) return `is up to date (schema version ${known})`;
  if (stored < known) return `has schema version ${stored} and would go to ${known}`;
  return `has schema version ${stored}, this program knows versions up to ${known}: it needs the newer program`;
}

function isMissingFile(database: string): boolean {
  const path = database.replace(/^sqlite:(?:\/\/)?/, '');
  return !isPostgresUrl(database) && path !== ':memory:' && !existsSync(path);
}
