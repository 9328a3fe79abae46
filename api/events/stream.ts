import type { ServerResponse } from 'node:http';
import type { Json } from '../../dsl/json.ts';
import type { EventLogRow, LoggedChange } from '../../engine/store/event-log.ts';
import { whenOver } from '../gone.ts';
import type { EventFeed } from './feed.ts';

/** Server-sent events: one for each change of state. */

/** Where a client left off: the number of the log's entry, and the change in it. */
export interface LastEvent {
  readonly seq: number;
  readonly index: number;
}

export interface StreamOptions {
  /** Which changes the client is shown; null to leave one out. */
  readonly show: (row: EventLogRow, change: LoggedChange) => { readonly event: string; readonly data: Json } | null;
  /** Whether this entry is the last one that matters. */
  readonly isEnd?: (row: EventLogRow) => boolean;
  /**
   * Tells what there is already, from the place where the client left off.
   *
   * @returns whether nothing more is to come.
   */
  readonly history?: (send: (rows: readonly EventLogRow[]) => Promise<void>) => Promise<boolean>;
  readonly last: LastEvent | null;
  /** Whether the client may go on: tokens are revoked, and what is followed is deleted. */
  readonly mayGoOn: () => Promise<boolean>;
}

/** `12-3`, as the last event's id said. */
export function parseLastEvent(text: string): LastEvent | null {
  const match = /^(\d{1,15})(?:-(\d{1,9}))?$/.exec(text.trim());
  return match === null ? null : { seq: Number(match[1]), index: Number(match[2] ?? Number.MAX_SAFE_INTEGER) };
}

/** Answers with a stream and keeps it going until its end, the client's, the server's, or for an hour. */
export async function streamEvents(feed: EventFeed, response: ServerResponse, options: StreamOptions): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache, no-transform',
    // Proxies that collect answers before they pass them on would defeat the purpose.
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  const stream = new EventStream(response, options, feed.heartbeatMilliseconds);
  try {
    stream.whenDone(await feed.subscribe(stream));
    const isOver = (await options.history?.((rows) => stream.tell(rows))) ?? false;
    stream.goLive(isOver);
  } catch (error) {
    // The answer has begun, so that nothing can be said any more: the client comes back and says where it left off.
    response.destroy();
    throw error;
  }
}

// Whoever reads so slowly would cost memory without bound; he may come again and say where he left off.
const MOST_UNSENT_BYTES = 1024 * 1024;
const LONGEST_MILLISECONDS = 3_600_000;

class EventStream {
  private readonly response: ServerResponse;
  private readonly options: StreamOptions;
  private readonly skipIndex: number;
  /** What came while history was being told; null afterwards. */
  private waiting: EventLogRow[] | null = [];
  private readonly told = new Set<number>();
  private done = false;
  private isAsking = false;
  private cleanUp: () => void = () => {};
  private readonly heartbeat: NodeJS.Timeout;
  private readonly longest: NodeJS.Timeout;

  constructor(response: ServerResponse, options: StreamOptions, heartbeatMilliseconds: number) {
    this.response = response;
    this.options = options;
    this.skipIndex = options.last?.index ?? -1;
    this.heartbeat = setInterval(() => void this.beat(), heartbeatMilliseconds).unref();
    this.longest = setTimeout(() => this.end(), LONGEST_MILLISECONDS).unref();
    response.on('error', () => this.finish());
    whenOver(response, () => this.finish());
    this.write('retry: 1000\n\n');
  }

  whenDone(cleanUp: () => void): void {
    this.cleanUp = cleanUp;
    if (this.done) cleanUp();
  }

  receive(rows: readonly EventLogRow[]): void {
    if (this.waiting === null) this.send(rows);
    else this.waiting.push(...rows);
  }

  /** A piece of history; resolves when the client has taken most of it. */
  async tell(rows: readonly EventLogRow[]): Promise<void> {
    for (const row of rows) {
      this.told.add(row.seq);
      this.write(this.textOf(row));
    }
    while (!this.done && this.response.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.response.off('drain', go).off('close', go);
          resolve();
        };
        this.response.on('drain', go).on('close', go);
      });
    }
  }

  /** History is told; what came meanwhile and was part of it is left out. */
  goLive(isOver: boolean): void {
    const waiting = (this.waiting ?? []).filter((row) => !this.told.has(row.seq));
    this.waiting = null;
    this.told.clear();
    if (isOver && waiting.every((row) => this.textOf(row) === '')) this.sayEnd();
    else this.send(waiting);
  }

  private send(rows: readonly EventLogRow[]): void {
    for (const row of rows) {
      if (this.done) return;
      this.write(this.textOf(row));
      if (this.options.isEnd?.(row) === true) this.sayEnd();
    }
  }

  private sayEnd(): void {
    this.write('event: end\ndata: {}\n\n');
    this.end();
  }

  end(): void {
    if (this.done) return;
    this.finish();
    this.response.end();
  }

  private textOf(row: EventLogRow): string {
    const { last } = this.options;
    let text = '';
    for (const [index, change] of row.changes.entries()) {
      if (last !== null && row.seq === last.seq && index <= this.skipIndex) continue;
      const shown = this.options.show(row, change);
      if (shown === null) continue;
      text += `id: ${row.seq}-${index}\nevent: ${shown.event}\ndata: ${JSON.stringify(shown.data)}\n\n`;
    }
    return text;
  }

  private async beat(): Promise<void> {
    this.write(':\n\n');
    if (this.isAsking) return;
    this.isAsking = true;
    // Who cannot be asked just now is asked with the next beat.
    const mayGoOn = await this.options.mayGoOn().catch(() => true);
    this.isAsking = false;
    if (!mayGoOn) this.end();
  }

  private write(text: string): void {
    if (this.done || text === '') return;
    this.response.write(text);
    // While history is told, whoever tells it waits for the client.
    if (this.waiting === null && this.response.writableLength > MOST_UNSENT_BYTES) this.response.destroy();
  }

  private finish(): void {
    if (this.done) return;
    this.done = true;
    clearInterval(this.heartbeat);
    clearTimeout(this.longest);
    this.cleanUp();
  }
}
