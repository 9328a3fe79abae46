import type { JsonObject } from '../../../dsl/json.ts';

/** What is known of servers and holds for all jobs there, by their addresses. */
export class ServerMemory {
  /** Which word a Mist server uses for its functions (spec/spark.md §2.1). */
  readonly mistWords = new Map<string, string>();
  private readonly masterPages = new Map<string, { readonly atMs: number; readonly page: Promise<JsonObject> }>();

  /**
   * The page of a standalone master, read once in two seconds for all jobs that are watched there: it names every application and driver that
   * the master remembers.
   */
  masterPage(url: string, read: () => Promise<JsonObject>): Promise<JsonObject> {
    const now = performance.now();
    const known = this.masterPages.get(url);
    if (known !== undefined && now - known.atMs < PAGE_MS) return known.page;
    const page = read();
    this.masterPages.set(url, { atMs: now, page });
    page.catch(() => {
      if (this.masterPages.get(url)?.page === page) this.masterPages.delete(url);
    });
    return page;
  }
}

const PAGE_MS = 2000;
