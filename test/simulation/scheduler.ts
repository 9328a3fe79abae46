import type { Random } from './random.ts';

/** Who waits: a node, or null for the world outside. */
export interface Owner {
  readonly name: string;
  state: 'live' | 'slow' | 'dead';
}

interface Ready {
  readonly owner: Owner | null;
  readonly run: () => void;
  readonly what: string;
}

interface Timer extends Ready {
  readonly due: number;
  readonly order: number;
}

/**
 * Decides what happens next: everything that waits for the outside waits here, and one of it goes on at a time, by the seed.
 * Time stands still while anything can happen, but for what the random generator adds.
 */
export class Scheduler {
  /** Milliseconds since 1970. */
  time = Date.UTC(2026, 0, 1);
  steps = 0;
  private readonly random: Random;
  private ready: Ready[] = [];
  private timers: Timer[] = [];
  private order = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** Goes on when the scheduler says so; never, when the owner dies before. */
  gate(owner: Owner | null, what: string): Promise<void> {
    return new Promise((run) => {
      this.ready.push({ owner, run, what });
    });
  }

  after(owner: Owner | null, milliseconds: number, run: () => void, what = 'timer'): () => void {
    const timer: Timer = {
      owner,
      run,
      what,
      due: Math.ceil(this.time + Math.max(0, milliseconds)),
      order: this.order++,
    };
    this.timers.push(timer);
    return () => {
      const at = this.timers.indexOf(timer);
      if (at !== -1) this.timers.splice(at, 1);
    };
  }

  sleep(owner: Owner | null, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(owner, milliseconds, resolve, 'sleep');
    });
  }

  /** One thing that can happen now. False when there is none. */
  async step(): Promise<boolean> {
    await turn();
    let choices = this.choices();
    for (let more = 0; choices.length === 0 && more < 3; more++) {
      await turn();
      choices = this.choices();
    }
    if (choices.length === 0) return false;
    // Timers overtake work now and then.
    if (this.random.chance(0.02) && this.nextTimer() !== undefined) return this.passTime();
    const chosen = this.random.pick(choices);
    this.ready.splice(this.ready.indexOf(chosen), 1);
    this.steps++;
    chosen.run();
    return true;
  }

  /** Moves on to the next timer. False when there is none. */
  passTime(): boolean {
    const next = this.nextTimer();
    if (next === undefined) return false;
    this.timers.splice(this.timers.indexOf(next), 1);
    this.time = Math.max(this.time, next.due);
    this.steps++;
    next.run();
    return true;
  }

  private choices(): Ready[] {
    this.ready = this.ready.filter(({ owner }) => owner?.state !== 'dead');
    return this.ready.filter(({ owner }) => owner?.state !== 'slow');
  }

  private nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    this.timers = this.timers.filter(({ owner }) => owner?.state !== 'dead');
    for (const timer of this.timers) {
      if (timer.owner?.state === 'slow') continue;
      if (next === undefined || timer.due < next.due || (timer.due === next.due && timer.order < next.order))
        next = timer;
    }
    return next;
  }
}

/** Lets everything happen that needs nobody's leave. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
