import type { ModelDatabase } from './model-store/store.ts';

type Kind = 'execution' | 'task' | 'action';

/**
 * Follows the event log of the database commit by commit: states may move along allowed transitions only (spec/engine.md §2,
 * and E-2.1 for what the engine itself does with tasks), and no version of an execution is written twice.
 */
export class EventLog {
  readonly problems: string[] = [];
  /** Moves that occurred, such as `task RUNNING→SUCCESS`. */
  readonly moves = new Map<string, number>();
  private readonly database: ModelDatabase;
  private readonly note: (text: string) => void;
  private readonly states = new Map<string, string>();
  private readonly names = new Map<string, string>();
  private readonly versions = new Map<string, number>();
  private seen = 0;

  constructor(database: ModelDatabase, note: (text: string) => void) {
    this.database = database;
    this.note = note;
  }

  /** Reads what was added. False when nothing was. */
  read(): boolean {
    const rows = this.database.table('execution_events').after(this.seen);
    for (const [id, row] of rows) {
      this.seen = id;
      const execution = String(row.execution_id);
      const version = Number(row.version);
      const before = this.versions.get(execution);
      if (before !== undefined && version <= before)
        this.problems.push(`version ${version} of execution ${execution} was written after version ${before}`);
      this.versions.set(execution, version);
      const moves: readonly (readonly string[])[] = JSON.parse(String(row.changes));
      this.note(`  commit ${short(execution)} v${version}: ${moves.map((move) => this.describe(move)).join(', ')}`);
      for (const move of moves) this.move(move);
    }
    return rows.length > 0;
  }

  private move([kind = '', id = '', to = '', name]: readonly string[]): void {
    if (name !== undefined) this.names.set(id, name);
    const table: Kind = kind === 'child' ? 'execution' : (kind as Kind);
    const from = this.states.get(id);
    this.states.set(id, to);
    if (from === undefined || from === to) return;
    const what = `${table} ${from}→${to}`;
    this.moves.set(what, (this.moves.get(what) ?? 0) + 1);
    if (!ALLOWED[table][from]?.includes(to)) this.problems.push(`${what} is not allowed: ${this.names.get(id) ?? id}`);
  }

  private describe([kind = '', id = '', to = '', name]: readonly string[]): string {
    const known = name ?? this.names.get(id) ?? short(id);
    return `${kind} ${known}${kind === 'execution' ? '' : `(${short(id)})`} ${this.states.get(id) ?? ''}→${to}`;
  }
}

function short(id: string): string {
  return id.slice(9, 18);
}

const ALLOWED: Readonly<Record<Kind, Readonly<Record<string, readonly string[]>>>> = {
  execution: {
    IDLE: ['RUNNING', 'ERROR', 'CANCELLED'],
    RUNNING: ['PAUSED', 'SUCCESS', 'ERROR', 'CANCELLED'],
    PAUSED: ['RUNNING', 'ERROR', 'CANCELLED'],
    ERROR: ['RUNNING'],
    CANCELLED: ['RUNNING'],
  },
  task: {
    IDLE: ['RUNNING', 'ERROR', 'CANCELLED'],
    WAITING: ['RUNNING', 'IDLE', 'ERROR'],
    // Back to IDLE by pause-before.
    RUNNING: ['PAUSED', 'DELAYED', 'IDLE', 'SUCCESS', 'ERROR', 'CANCELLED'],
    // To IDLE when the execution is paused, to WAITING a join that is tried again.
    DELAYED: ['RUNNING', 'IDLE', 'WAITING', 'SUCCESS', 'ERROR', 'CANCELLED'],
    // To IDLE when the execution ends before all items were started.
    PAUSED: ['RUNNING', 'DELAYED', 'IDLE', 'SUCCESS', 'ERROR', 'CANCELLED'],
    // By fail-on, wait-after, retry with continue-on; a join that waits once more; a rerun inside a child.
    SUCCESS: ['ERROR', 'DELAYED', 'WAITING', 'RUNNING'],
    ERROR: ['IDLE', 'RUNNING', 'DELAYED', 'WAITING', 'SKIPPED'],
    CANCELLED: ['IDLE', 'RUNNING', 'DELAYED', 'WAITING'],
    SKIPPED: ['WAITING'],
  },
  action: {
    RUNNING: ['PAUSED', 'SUCCESS', 'ERROR', 'CANCELLED'],
    PAUSED: ['RUNNING', 'SUCCESS', 'ERROR', 'CANCELLED'],
  },
};
