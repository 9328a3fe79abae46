import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../helpers/free-port.ts';
import { waitForExit } from '../helpers/processes.ts';
import { tramontaneBin } from '../helpers/project.ts';
import { startProxy } from '../helpers/proxy.ts';
import type { Proxy } from '../helpers/proxy.ts';

/** Seconds after which others act for a process that says nothing: short, so that a run of a minute sees it often. */
export const LEASE_SECONDS = 5;

const SETTINGS = `
log_level: info
database: {connections: 6, patience_seconds: 5}
queue: {prefix: '{chaos}', lock_seconds: 4, resend_seconds: 15}
cluster:
  heartbeat_seconds: 1
  lease_seconds: ${LEASE_SECONDS}
  janitor_seconds: 1
  patience_seconds: 3
  action_heartbeat_seconds: 1
  action_silence_seconds: 10
executor: {shutdown_seconds: 3}
`;

export interface NodeOptions {
  readonly folder: string;
  readonly postgresPort: number;
  readonly redisPort: number;
  /** Arguments of Node itself: to plant a fault into the program. */
  readonly execArgv?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** One that ended although nobody had told it to, and that had been up. */
  readonly onCrash: (node: ServerNode, how: string) => void;
}

/** A `tramontane serve` in a process of its own, which is started again whenever it ends, as a service manager would. */
export class ServerNode {
  readonly name: string;
  readonly roles: string;
  readonly port: number;
  readonly toPostgres: Proxy;
  readonly toRedis: Proxy;
  /** The largest resident size that one of its processes had, in MiB. */
  peakMegabytes = 0;
  starts = 0;
  private readonly options: NodeOptions;
  private child: ChildProcess | null = null;
  private isUp = false;
  private isWanted = true;
  /** Signals that explain the next end. */
  private isExpected = false;
  private supervision: Promise<void> = Promise.resolve();

  private constructor(
    name: string,
    roles: string,
    port: number,
    proxies: { readonly postgres: Proxy; readonly redis: Proxy },
    options: NodeOptions,
  ) {
    this.name = name;
    this.roles = roles;
    this.port = port;
    this.toPostgres = proxies.postgres;
    this.toRedis = proxies.redis;
    this.options = options;
  }

  static async create(name: string, roles: string, options: NodeOptions): Promise<ServerNode> {
    const proxies = { postgres: await startProxy(options.postgresPort), redis: await startProxy(options.redisPort) };
    const config = join(options.folder, 'tramontane.yaml');
    await writeFile(config, `${SETTINGS}data_folder: ${options.folder}\n`);
    return new ServerNode(name, roles, await freePort(), proxies, options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get hasApi(): boolean {
    return this.roles.includes('api');
  }

  get isRunning(): boolean {
    return this.isUp;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    this.isWanted = true;
    this.supervision = this.supervise();
  }

  /** @returns false when there is no process at this moment. */
  signal(signal: NodeJS.Signals): boolean {
    const { child } = this;
    if (child === null) return false;
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') this.isExpected = true;
    return child.kill(signal);
  }

  /** Resolves when it answers its probe. */
  async untilReady(limitMs = 120_000): Promise<void> {
    const end = Date.now() + limitMs;
    for (;;) {
      const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
      await answer?.body?.cancel();
      if (answer?.ok === true) return;
      if (Date.now() > end) throw new Error(`${this.name} (${this.roles}) was not ready within ${limitMs / 1000} s`);
      await sleep(200);
    }
  }

  /** Ends it for good: with SIGTERM, after a while with SIGKILL. @returns whether the first was enough. */
  async stop(): Promise<boolean> {
    this.isWanted = false;
    const { child } = this;
    let wasEnough = true;
    if (child !== null) {
      this.signal('SIGCONT');
      this.signal('SIGTERM');
      const gone = waitForExit(child);
      const late = new AbortController();
      const first = await Promise.race([
        gone.then(() => 'gone'),
        sleep(30_000, 'late', { signal: late.signal }).catch(() => 'gone'),
      ]);
      late.abort();
      wasEnough = first === 'gone';
      child.kill('SIGKILL');
      await gone;
    }
    await this.supervision;
    await this.toPostgres.close();
    await this.toRedis.close();
    return wasEnough;
  }

  async measure(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const kilobytes = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    this.peakMegabytes = Math.max(this.peakMegabytes, Math.round(kilobytes / 1024));
  }

  private async supervise(): Promise<void> {
    while (this.isWanted) {
      this.isExpected = false;
      const child = this.launch();
      this.child = child;
      this.starts++;
      await waitForExit(child);
      this.child = null;
      const wasUp = this.isUp;
      this.isUp = false;
      if (wasUp && !this.isExpected && this.isWanted)
        this.options.onCrash(this, `ended by itself with ${child.signalCode ?? child.exitCode}`);
      await sleep(300);
    }
  }

  private launch(): ChildProcess {
    const { folder, execArgv = [], env } = this.options;
    const args = Object.entries({
      host: '127.0.0.1',
      port: String(this.port),
      role: this.roles,
      database: `postgres://postgres@127.0.0.1:${this.toPostgres.port}/postgres`,
      redis: `redis://127.0.0.1:${this.toRedis.port}`,
      config: join(folder, 'tramontane.yaml'),
    }).flatMap(([name, value]) => [`--${name}`, value]);
    const log = createWriteStream(join(folder, `${this.name}.log`), { flags: 'a' });
    const child = spawn(process.execPath, [...execArgv, tramontaneBin, 'serve', ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    log.write(`--- pid ${child.pid}\n`);
    child.stderr.pipe(log, { end: false });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      log.write(text);
      if (text.includes('listening on')) this.isUp = true;
    });
    child.once('exit', (code, signal) => log.end(`--- ended with ${signal ?? code}\n`));
    return child;
  }
}
