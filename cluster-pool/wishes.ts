import { serveAll } from './applying.ts';
import { messageOf, resettingAt, type Keeping } from './keeping.ts';
import type { Provider } from './provider.ts';
import { patchLife, subjectOf } from './store/lives.ts';
import type { ClusterRow } from './store/rows.ts';

/** `start`, `stop` and `restart` that somebody asked for. */
export async function fulfil(
  keeping: Keeping,
  row: ClusterRow,
  provider: Provider,
  signal: AbortSignal,
): Promise<void> {
  const { wish, wishId } = row;
  if (wish === null || wishId === null) return;
  const expected = { status: row.status, wishId };
  try {
    if (row.status === 'failed') return await revive(keeping, row, wish.op, expected);
    const made = await provider[wish.op](row, wish.node, signal);
    const isWhole = wish.node === null;
    const isDown = isWhole && wish.op === 'stop';
    await keeping.change(async (change) => {
      const patch = {
        ...made,
        wish: null,
        wishId: null,
        ...(isWhole && row.status !== 'draining' && { status: isDown ? ('stopped' as const) : ('running' as const) }),
        ...(isWhole && { health: isDown ? ('' as const) : ('OK' as const), healthFails: 0 }),
      };
      if (!(await patchLife(change.trx, row.id, patch, expected))) return;
      change.tell(wish.op, subjectOf(row), wish.node === null ? {} : { node: wish.node });
      await serveAll(change, keeping.settings);
    });
    keeping.checkedAt.set(row.id, keeping.clock.now());
  } catch (error) {
    if (signal.aborted) return;
    const patch = { wish: null, wishId: null, wishError: messageOf(error) };
    await keeping.change((change) => patchLife(change.trx, row.id, patch, expected));
  }
}

/** An operator tries one again that was given up. */
async function revive(
  keeping: Keeping,
  row: ClusterRow,
  op: string,
  expected: { readonly status: ClusterRow['status']; readonly wishId: string },
): Promise<void> {
  const isStop = op === 'stop';
  const patch = {
    wish: null,
    wishId: null,
    wishError: isStop ? 'it is failed; restart or delete it' : null,
    ...(!isStop && {
      ...resettingAt(keeping.clock.now()),
    }),
  };
  await keeping.change((change) => patchLife(change.trx, row.id, patch, expected));
}
