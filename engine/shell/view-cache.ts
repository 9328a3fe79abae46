import type { ExecutionId } from '../core/model.ts';
import { isFinal } from '../core/model.ts';
import type { ExecutionView } from '../core/view.ts';
import type { LoadedView } from '../store/views.ts';

/** A cached view; `version` is that of the row it agrees with, null while its row is not written yet. */
export interface CachedView {
  readonly view: ExecutionView;
  version: number | null;
}

/** Views by execution, the least recently used are let go when they grow beyond the limit in (estimated) bytes. */
export class ViewCache {
  private readonly views = new Map<ExecutionId, CachedView & { bytes: number }>();
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
    const entry = { view: loaded.view, version: loaded.version, bytes: estimateBytes(loaded.view) };
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

// Rough figures from heap snapshots: what counts is that big views weigh more than small ones.
const VIEW_BYTES = 3_000;
const TASK_BYTES = 1_200;
const MEMBER_BYTES = 1_000;

function estimateBytes(view: ExecutionView): number {
  return VIEW_BYTES + view.tasks.size * TASK_BYTES + (view.actions.size + view.children.size) * MEMBER_BYTES;
}
