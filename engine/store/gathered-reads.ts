/**
 * Reads that are asked for at the same moment, done together: whoever asks while the event loop turns once, or while the reads
 * before are under way, shares the next one. It begins after the last of them has asked, so nobody gets anything older than by a
 * read of his own. A read's way to the database and back is most of the time of a small request; many at once cost hardly more.
 */
export class GatheredReads<Answer> {
  private readonly readAll: (keys: readonly string[]) => Promise<ReadonlyMap<string, Answer>>;
  private askers: Asker<Answer>[] = [];
  private underWay = 0;
  private isScheduled = false;

  /** @param readAll answers for distinct keys; what has no answer is missing. */
  constructor(readAll: (keys: readonly string[]) => Promise<ReadonlyMap<string, Answer>>) {
    this.readAll = readAll;
  }

  /** @returns undefined where there is no answer. */
  read(key: string): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => {
      this.askers.push({ key, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.isScheduled || this.askers.length === 0 || this.underWay >= MOST_UNDER_WAY) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.underWay++;
      void this.answer(this.askers.splice(0, MOST_AT_ONCE)).finally(() => {
        this.underWay--;
        this.schedule();
      });
      this.schedule();
    });
  }

  private async answer(askers: readonly Asker<Answer>[]): Promise<void> {
    try {
      const answers = await this.readAll([...new Set(askers.map(({ key }) => key))]);
      for (const { key, resolve } of askers) resolve(answers.get(key));
    } catch (error) {
      for (const { reject } of askers) reject(error);
    }
  }
}

// Two, so that the database has something to do while answers to the first are written.
const MOST_UNDER_WAY = 2;
const MOST_AT_ONCE = 200;

interface Asker<Answer> {
  readonly key: string;
  readonly resolve: (answer: Answer | undefined) => void;
  readonly reject: (error: unknown) => void;
}
