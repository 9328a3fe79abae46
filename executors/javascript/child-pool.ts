import { fork, type ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ChildPoolOptions {
  /** The program of the children, without its extension: `.js`, or `.ts` where sources are run as they are. */
  readonly program: URL;
  /** Further options of node, such as limits of memory. */
  readonly nodeOptions?: readonly string[];
  /** All that the children see of this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Children that work at once; further calls wait. */
  readonly size: number;
  /** A child is replaced after so many calls. */
  readonly callsPerChild?: number;
  /** How long children beyond the first are kept without work. */
  readonly idleMs?: number;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  /** After it the child is killed; null for no limit. The start of a child does not count. */
  readonly timeoutMs: number | null;
  /** A child that has worked for the same key is preferred. */
  readonly key?: string | undefined;
}

/** A child died or was killed in the middle of a call. */
export class ChildError extends Error {
  override readonly name = 'ChildError';
  readonly why: 'timeout' | 'died' | 'closed';

  constructor(why: ChildError['why'], message: string) {
    super(message);
    this.why = why;
  }
}

/** What a child says: that it is ready, and the answer to its call. `tired` asks to be replaced. */
export type ChildMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'answer'; readonly text: string; readonly tired: boolean };

const START_MS = 120_000;

/**
 * Node processes that are kept warm and do one call at a time, a text in and a text out. A call that is stopped or takes too long
 * costs its process, which is killed: nothing that runs there can refuse. Idle children do not keep this process alive, and end
 * when it is gone.
 */
export class ChildPool {
  private readonly options: ChildPoolOptions;
  private readonly idle: Child[] = [];
  private readonly all = new Set<Child>();
  private readonly waiting: (() => void)[] = [];
  private busy = 0;
  private closed = false;

  constructor(options: ChildPoolOptions) {
    this.options = options;
  }

  /** @throws ChildError; the signal's reason when it is aborted. */
  async call(text: string, options: CallOptions): Promise<string> {
    await this.turn(options.signal);
    try {
      const child = this.take(options.key);
      try {
        const answer = await child.call(text, options);
        this.giveBack(child, answer.tired);
        return answer.text;
      } catch (error) {
        child.kill();
        throw error;
      }
    } finally {
      this.busy--;
      this.waiting.shift()?.();
    }
  }

  /** Ids of the processes that live now. */
  get processes(): readonly number[] {
    return [...this.all].flatMap((child) => child.pid ?? []);
  }

  /** Kills all children; calls under way are rejected, and so are later ones. */
  close(): void {
    this.closed = true;
    for (const child of this.all) child.kill();
    for (const go of this.waiting.splice(0)) go();
  }

  private async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.busy >= this.options.size && !this.closed) await this.waitForTurn(signal);
    if (this.closed) throw new ChildError('closed', 'The executor is shutting down.');
    this.busy++;
  }

  private waitForTurn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        this.waiting.splice(this.waiting.indexOf(go), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(go);
    });
  }

  private take(key: string | undefined): Child {
    const fitting = this.idle.findIndex((child) => child.key === key);
    const [known] = fitting === -1 ? [] : this.idle.splice(fitting, 1);
    if (known !== undefined) return known;
    // One that worked for another key is given up for one of this key.
    if (this.all.size >= this.options.size) this.idle.shift()?.kill();
    const child: Child = new Child(this.options, key, () => {
      this.all.delete(child);
      const index = this.idle.indexOf(child);
      if (index !== -1) this.idle.splice(index, 1);
    });
    this.all.add(child);
    return child;
  }

  private giveBack(child: Child, isTired: boolean): void {
    if (isTired || this.closed || !child.isAlive || child.calls >= (this.options.callsPerChild ?? 500)) {
      child.kill();
      return;
    }
    this.idle.push(child);
    child.rest(() => {
      if (this.idle.length > 1) child.kill();
    }, this.options.idleMs ?? 60_000);
  }
}

class Child {
  readonly key: string | undefined;
  calls = 0;
  isAlive = true;
  private readonly process: ChildProcess;
  private readonly ready: Promise<void>;
  private readonly end: (why: string) => void;
  private waiter: Waiter | null = null;
  private idleTimer: NodeJS.Timeout | null = null;
  private errors = '';

  constructor(options: ChildPoolOptions, key: string | undefined, onEnd: () => void) {
    this.key = key;
    this.process = startChild(options);
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.errors = `${this.errors}${chunk.toString('utf8')}`.slice(-2000);
    });
    this.ready = new Promise((resolve, reject) => {
      this.waiter = { resolve: () => resolve(), reject };
    });
    this.ready.catch(() => {});
    this.process.on('message', (message: ChildMessage) => this.settle((waiter) => waiter.resolve(message)));
    this.end = (why) => {
      if (!this.isAlive) return;
      this.isAlive = false;
      onEnd();
      this.settle((waiter) => waiter.reject(new ChildError('died', why)));
    };
    this.process.on('exit', (code, signal) => {
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      this.end(`Its process ${how}${this.lastWords()}`);
    });
    this.process.on('error', (error) => this.end(`Its process could not be used: ${error.message}`));
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** The caller sees to it that there is one call at a time. */
  async call(text: string, options: CallOptions): Promise<{ readonly text: string; readonly tired: boolean }> {
    this.calls++;
    this.wake();
    await within(this.ready, { signal: options.signal, timeoutMs: START_MS });
    const answer = new Promise<ChildMessage>((resolve, reject) => {
      this.waiter = { resolve, reject };
    });
    answer.catch(() => {});
    this.process.send(text, (error) => {
      if (error !== null) this.settle((waiter) => waiter.reject(new ChildError('died', error.message)));
    });
    const message = await within(answer, options);
    if (message.type !== 'answer') throw new ChildError('died', 'Its process did not answer what it was asked.');
    return message;
  }

  /** Lets this process end while the child has nothing to do. */
  rest(onIdle: () => void, idleMs: number): void {
    this.idleTimer = setTimeout(onIdle, idleMs).unref();
    this.process.unref();
    this.process.channel?.unref();
    // Its standard error is a socket, which holds the process as well.
    if (this.process.stderr !== null && 'unref' in this.process.stderr) (this.process.stderr as Unreferable).unref();
  }

  kill(): void {
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.process.kill('SIGKILL');
    this.end('Its process was killed.');
  }

  private wake(): void {
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = null;
    this.process.ref();
    this.process.channel?.ref();
  }

  private settle(how: (waiter: Waiter) => void): void {
    const waiter = this.waiter;
    this.waiter = null;
    if (waiter !== null) how(waiter);
  }

  private lastWords(): string {
    const line = this.errors.split('\n').findLast((one) => one.startsWith('FATAL ERROR') || /Error:/.test(one));
    return line === undefined ? '.' : `: ${line.trim()}`;
  }
}

interface Waiter {
  readonly resolve: (message: ChildMessage) => void;
  readonly reject: (error: Error) => void;
}

interface Unreferable {
  unref(): void;
}

function startChild({ program, nodeOptions = [], environment = {} }: ChildPoolOptions): ChildProcess {
  const extension = extname(fileURLToPath(import.meta.url));
  // Sources that are run as they are need the loader that this process was started with.
  const inherited = extension === '.ts' ? process.execArgv : [];
  return fork(`${fileURLToPath(program)}${extension}`, [], {
    env: environment,
    execArgv: [...inherited, ...nodeOptions],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json',
  });
}

function within<T>(work: Promise<T>, { signal, timeoutMs }: CallOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer =
      timeoutMs === null
        ? null
        : setTimeout(() => settle(() => reject(new ChildError('timeout', 'The time is over.'))), timeoutMs);
    const onAbort = () => settle(() => reject(signal.reason as Error));
    const settle = (how: () => void) => {
      if (timer !== null) clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      how();
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error as Error)),
    );
  });
}
