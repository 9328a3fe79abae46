import type { ExecutionId } from '../core/model.ts';
import { isFinal, type TaskRecord } from '../core/model.ts';
import type { ExecutionView } from '../core/view.ts';
import type { LoadedView } from '../store/views.ts';
import { approximateBytes } from './approximate-bytes.ts';

/** A cached view; `version` is that of the row it agrees with, null while its row is not written yet. */
export interface CachedView {
  readonly view: ExecutionView;
  version: number | null;
}

/** Views by execution, the least recently used are let go when they grow beyond the limit in (estimated) bytes. */
export class ViewCache {
  private readonly views = new Map<ExecutionId, Entry>();
  private readonly limit: number;
  private bytes = 0;

  constructor(limitBytes: number) {
    this.limit = limitBytes;
  }

  get(id: ExecutionId): CachedView | undefined {
    const entry = this.views.get(id);
    if (entry === undefined) return undefined;
    this.views.delete(id);
    this.views.set(id, entry);
    return entry;
  }

  add(id: ExecutionId, loaded: LoadedView | CachedView): CachedView {
    this.evict(id);
    const { view, version } = loaded;
    const entry: Entry = { view, version, bytes: estimateBytes(view), settled: 0 };
    this.views.set(id, entry);
    this.bytes += entry.bytes;
    return entry;
  }

  evict(id: ExecutionId): void {
    const entry = this.views.get(id);
    if (entry === undefined) return;
    this.views.delete(id);
    this.bytes -= entry.bytes;
  }

  /** Everything below a root execution. */
  evictDescendants(root: ExecutionId): void {
    for (const [id, { view }] of this.views) if (view.record.rootExecutionId === root) this.evict(id);
  }

  evictAll(): void {
    this.views.clear();
    this.bytes = 0;
  }

  /** After a commit: a finished execution is let go at once, others when memory is short. */
  settle(ids: Iterable<ExecutionId>): void {
    for (const id of ids) {
      const entry = this.views.get(id);
      if (entry === undefined) continue;
      if (isFinal(entry.view.record.state) && entry.view.openTasks === 0) {
        this.evict(id);
        continue;
      }
      // A large view is weighed seldom, so that its steps cost no more than those of a small one.
      if (++entry.settled < sizeOf(entry.view) / MEMBERS_PER_STEP) continue;
      entry.settled = 0;
      const bytes = estimateBytes(entry.view);
      this.bytes += bytes - entry.bytes;
      entry.bytes = bytes;
    }
    for (const id of this.views.keys()) {
      if (this.bytes <= this.limit) return;
      this.evict(id);
    }
  }
}

interface Entry extends CachedView {
  bytes: number;
  /** Commits since it was weighed. */
  settled: number;
}

const MEMBERS_PER_STEP = 50;

function sizeOf(view: ExecutionView): number {
  return view.tasks.size + view.actions.size + view.children.size;
}

// Rough figures from heap snapshots: what counts is that big views weigh more than small ones.
const VIEW_BYTES = 3_000;
const TASK_BYTES = 1_200;
const MEMBER_BYTES = 1_000;

function estimateBytes(view: ExecutionView): number {
  const { record } = view;
  let bytes = VIEW_BYTES + approximateBytes(record.input) + approximateBytes(record.context);
  bytes += approximateBytes(view.environment) + approximateBytes(record.output);
  for (const task of view.tasks.values())
    bytes += TASK_BYTES + approximateBytes(task.published) + approximateBytes(task.context.own) + bytesOfItems(task);
  // Results count: what actions were given is not in the view.
  for (const action of view.actions.values()) bytes += MEMBER_BYTES + approximateBytes(action.output);
  for (const child of view.children.values()) bytes += MEMBER_BYTES + approximateBytes(child.output);
  for (const payload of view.payloads.values()) bytes += approximateBytes(payload);
  return bytes;
}

function bytesOfItems({ items }: TaskRecord): number {
  if (items === null) return 0;
  const lists = items.source.kind === 'inline' ? items.source.lists : [];
  return (items.again?.bits.length ?? 0) + lists.reduce((sum, list) => sum + approximateBytes(list), 0);
}
