/**
 * Answers that several callers ask for at the same moment, worked out once: dashboards and scripts ask for the same list again and
 * again. The work begins after the last who shares it has asked, so nobody gets anything older than by work of his own; who asks
 * while it is under way shares the next. Nothing is kept.
 */
export class SharedAnswers<Answer> {
  /** The work that has not begun yet, by what it is for. */
  private readonly coming = new Map<string, Promise<Answer>>();
  private readonly underWay = new Map<string, Promise<unknown>>();

  /** @param key says all that the answer depends on. */
  get(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const coming = this.coming.get(key);
    if (coming !== undefined) return coming;
    const answer = this.afterTheLast(key, work);
    this.coming.set(key, answer);
    return answer;
  }

  private async afterTheLast(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const last = this.underWay.get(key);
    if (last === undefined) await new Promise<void>((resolve) => setImmediate(resolve));
    else await last;
    this.coming.delete(key);
    const answer = work();
    const ended = answer.then(
      () => {},
      () => {},
    );
    this.underWay.set(key, ended);
    try {
      return await answer;
    } finally {
      if (this.underWay.get(key) === ended) this.underWay.delete(key);
    }
  }
}
