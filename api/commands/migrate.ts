import { openStore } from '../../engine/store/connection.ts';
import { migrate } from '../../engine/store/migrate.ts';
import type { CreateLogger } from '../cli.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { readSettings } from './settings.ts';
import type { CommonOptions } from './settings.ts';

export async function migrateCommand(
  options: CommonOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  const config = readSettings(options, {});
  const driver = config.databaseDriver ?? undefined;
  const store = await openStore({ url: config.database, driver, exclusive: true }, createLogger(config.logLevel));
  try {
    const { from, to } = await migrate(store);
    const what = from === to ? `is up to date (schema version ${to})` : `went from schema version ${from} to ${to}`;
    terminal.out(`${config.database} ${what}\n`);
    return 0;
  } finally {
    await store.close();
  }
}
