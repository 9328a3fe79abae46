import { Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import type { Duplex } from 'node:stream';
import { OutputTooLarge } from './output-too-large.ts';

export interface Login {
  readonly username: string;
  readonly password: string | null;
  /** Text of a private key. */
  readonly privateKey: string | null;
  /** Of the private key. */
  readonly passphrase: string | null;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** -1 when a signal ended the command, or the server told no code. */
  readonly exitCode: number;
}

const MAX_OUTPUT_BYTES = 10 * 1024 * 1024;
const HANDSHAKE_MS = 30_000;
const KEEPALIVE_MS = 15_000;
const FAREWELL_MS = 2000;

/** An SSH connection over a stream that is open already. It ends with its signal, its server, or {@link close}. */
export class SshSession {
  private readonly client: Client;
  private readonly signal: AbortSignal;
  /** Rejects when the connection breaks, or the action is stopped. */
  private readonly broken: Promise<never>;
  private readonly onAbort: () => void;

  private constructor(client: Client, signal: AbortSignal) {
    this.client = client;
    this.signal = signal;
    let stop: (error: unknown) => void = () => {};
    this.broken = new Promise((_, reject) => {
      stop = reject;
    });
    this.broken.catch(() => {});
    this.onAbort = () => {
      stop(signal.reason);
      this.close();
    };
    signal.addEventListener('abort', this.onAbort, { once: true });
    client.on('error', stop);
    client.on('close', () => stop(new Error('The server closed the connection.')));
  }

  /** Any host key is taken, as in the reference. */
  static async open(stream: Duplex, login: Login, signal: AbortSignal): Promise<SshSession> {
    const client = new Client();
    const session = new SshSession(client, signal);
    try {
      signal.throwIfAborted();
      await session.unlessBroken(
        new Promise<void>((resolve) => {
          client.once('ready', resolve);
          answerQuestions(client, login);
          client.connect(connectConfig(stream, login));
        }),
      );
      return session;
    } catch (error) {
      session.close();
      stream.destroy();
      throw error;
    }
  }

  /** Runs a command without input. @throws OutputTooLarge */
  run(command: string): Promise<CommandResult> {
    return this.unlessBroken(
      new Promise((resolve, reject) => {
        this.client.exec(command, (error, channel) => {
          // At once: what a quick command has to say comes within the same packet.
          if (error === undefined) readToEnd(channel).then(resolve, reject);
          else reject(error);
        });
      }),
    );
  }

  /** A stream through this server to another host: a tunnel, or where tunnels are forbidden `nc`, as the reference does it. */
  async forward(host: string, port: number): Promise<Duplex> {
    const tunnel = new Promise<ClientChannel>((resolve, reject) => {
      this.client.forwardOut('127.0.0.1', 0, host, port, (error, opened) =>
        error === undefined ? resolve(opened) : reject(error),
      );
    });
    try {
      return await this.unlessBroken(tunnel);
    } catch (error) {
      // Nothing but a host name or address becomes part of a command line.
      if (this.signal.aborted || !/^[\w.:-]+$/.test(host) || host.startsWith('-')) throw error;
      return this.unlessBroken(
        new Promise<ClientChannel>((resolve, reject) => {
          this.client.exec(`nc ${host} ${port}`, (fault, opened) =>
            fault === undefined ? resolve(opened) : reject(fault),
          );
        }),
      );
    }
  }

  /** Lets what was said reach the server, and waits no longer than {@link FAREWELL_MS} for its answer. */
  close(): void {
    this.signal.removeEventListener('abort', this.onAbort);
    this.client.end();
    setTimeout(() => this.client.destroy(), FAREWELL_MS).unref();
  }

  private unlessBroken<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.broken]);
  }
}

function connectConfig(stream: Duplex, login: Login): ConnectConfig {
  return {
    sock: stream,
    username: login.username,
    ...(login.password !== null && { password: login.password, tryKeyboard: true }),
    ...(login.privateKey !== null && { privateKey: login.privateKey }),
    ...(login.privateKey !== null && login.passphrase !== null && { passphrase: login.passphrase }),
    readyTimeout: HANDSHAKE_MS,
    keepaliveInterval: KEEPALIVE_MS,
  };
}

/** Servers that ask for the password as a question instead of taking it. */
function answerQuestions(client: Client, login: Login): void {
  client.on('keyboard-interactive', (_name, _instructions, _language, prompts, answer) => {
    answer(prompts.map(() => login.password ?? ''));
  });
}

function readToEnd(channel: ClientChannel): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const streams = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    let length = 0;
    let exitCode = -1;
    const collect = (which: 'stdout' | 'stderr') => (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_OUTPUT_BYTES) {
        reject(new OutputTooLarge(`The output is larger than ${MAX_OUTPUT_BYTES} bytes.`));
        channel.close();
        return;
      }
      streams[which].push(chunk);
    };
    channel.on('data', collect('stdout'));
    channel.stderr.on('data', collect('stderr'));
    channel.on('exit', (code: number | null) => {
      exitCode = code ?? -1;
    });
    channel.on('error', reject);
    channel.on('close', () =>
      resolve({
        stdout: Buffer.concat(streams.stdout).toString('utf8'),
        stderr: Buffer.concat(streams.stderr).toString('utf8'),
        exitCode,
      }),
    );
    channel.end();
  });
}
