import type { Clock } from './clock.ts';

/** Carries "something was committed" between the nodes of a cluster. It may lose some: whoever listens also looks by himself. */
export interface CommitChannel {
  publish(): Promise<void>;
  /** Calls back when another node has published, and when something may have been missed. */
  listen(listener: () => void): void;
  close(): Promise<void>;
}

/** A node that is alone has nobody to tell. */
export const NO_COMMIT_CHANNEL: CommitChannel = {
  publish: () => Promise.resolve(),
  listen: () => {},
  close: () => Promise.resolve(),
};

/** Tells other nodes of commits: the first one at once, those that follow closely together. */
export class CommitSignal {
  private readonly channel: CommitChannel;
  private readonly clock: Clock;
  private isQuiet = true;
  private isDue = false;
  private closed = false;

  constructor(channel: CommitChannel, clock: Clock) {
    this.channel = channel;
    this.clock = clock;
  }

  tell(): void {
    this.isDue = true;
    if (this.isQuiet && !this.closed) void this.publish();
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.channel.close();
  }

  private async publish(): Promise<void> {
    this.isQuiet = false;
    this.isDue = false;
    // One that is lost costs the others the time until they look by themselves.
    await this.channel.publish().catch(() => {});
    this.clock.after(QUIET_MILLISECONDS, () => {
      this.isQuiet = true;
      if (this.isDue) this.tell();
    });
  }
}

// Each costs PostgreSQL a transaction, and its notifications are committed one after the other.
const QUIET_MILLISECONDS = 20;
