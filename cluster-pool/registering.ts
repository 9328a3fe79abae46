import type { Keeping } from './keeping.ts';
import type { Change } from './store/changing.ts';
import { deletePool, findPools, savePool, setSchedulable } from './store/pools.ts';
import type { PoolRow } from './store/rows.ts';

/** What the configuration says becomes rows; pools that it names no more give up their clusters. */
export async function registerPools(keeping: Keeping): Promise<void> {
  const { pools, providers, log, store } = keeping;
  await keeping.change(async (change) => {
    const known = await findPools(change.trx);
    for (const settings of pools) {
      const host = providers.of(settings).isLocal ? providers.host : '';
      const before = known.find((pool) => pool.name === settings.name);
      if (before !== undefined && before.host !== host && (await hasLives(change, before.name))) {
        log.error('A pool of this name has clusters on another host; give this one another name.', {
          pool: settings.name,
          host: before.host,
        });
        continue;
      }
      await savePool(
        change.trx,
        { ...settings, host, schedulable: before === undefined || before.schedulable || isRemoved(before) },
        change.now,
      );
      // Of a known pool saving leaves that as it is: an operator's drain holds. The configuration took this one away, and has it again.
      if (before !== undefined && isRemoved(before)) await setSchedulable(change.trx, settings.name, true);
    }
    for (const pool of known) {
      // On a database with one process all are its own; else another node may know the pool.
      const isOurs = !store.isShared || (pool.host === providers.host && pools.length > 0);
      if (pools.some(({ name }) => name === pool.name) || !isOurs) continue;
      if (!(await hasLives(change, pool.name))) await deletePool(change.trx, pool.name);
      else if (!isRemoved(pool)) {
        const config = { ...pool.config, [REMOVED]: true };
        await savePool(change.trx, { ...pool, minFree: 0, config }, change.now);
        await setSchedulable(change.trx, pool.name, false);
      }
    }
  });
}

/** Marks the row of a pool that the configuration names no more, to tell it from one that an operator drains. */
const REMOVED = 'removed';

function isRemoved(pool: PoolRow): boolean {
  return pool.config[REMOVED] === true;
}

async function hasLives(change: Change, pool: string): Promise<boolean> {
  const found: unknown = await change.trx('clusters').where({ pool }).whereNot({ status: 'released' }).first('id');
  return found !== undefined;
}
