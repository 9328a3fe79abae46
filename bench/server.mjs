import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BUILD } from './build.mjs';

/** A server in a process of its own, on a free port, which tells its address once it listens. */
export class ServerProcess {
  #child = null;
  #program;
  #args;
  #folder;
  url = '';

  /** @param folder where it runs, and keeps what is not in a database */
  constructor(program, args, folder = '.') {
    this.#program = program;
    this.#args = args;
    this.#folder = folder;
  }

  async start() {
    // Options for a profile, for example.
    const options = (process.env.SERVER_NODE_OPTIONS ?? '').split(' ').filter((option) => option !== '');
    const child = spawn(process.execPath, [...options, this.#program, ...this.#args], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.url = await new Promise((resolve, reject) => {
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text) => {
        output += text;
        const address = /https?:\/\/[\w.-]+:\d+/.exec(output);
        if (address !== null) resolve(address[0]);
      });
      child.once('exit', (code) => reject(new Error(`${this.#program} ended with ${code}: ${output}`)));
    });
  }

  async stop() {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Resident memory in MB; null where the system does not tell. */
  async memory() {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8').catch(() => null);
    const kilobytes = status === null ? null : /VmRSS:\s+(\d+)/.exec(status)?.[1];
    return kilobytes === null || kilobytes === undefined ? null : Number(kilobytes) / 1024;
  }

  /** Milliseconds of processor time that all its threads have used so far, in steps of 10; NaN where the system does not tell. */
  async cpu() {
    const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8').catch(() => null);
    if (stat === null) return Number.NaN;
    // After the name, which may hold anything: the state is field 3, user and system time are 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }
}

/** `tramontane serve`, with the calls that the measures need. */
export class BenchServer extends ServerProcess {
  #database;

  constructor(folder, database = process.env.DATABASE ?? `sqlite:${join(folder, 'bench.sqlite')}`, options = []) {
    mkdirSync(folder, { recursive: true });
    super(
      join(BUILD, 'api/bin.js'),
      ['serve', '--host', '127.0.0.1', '--port', '0', '--database', database, ...options],
      folder,
    );
    this.#database = database;
  }

  /** Returns the milliseconds until it answered. */
  async start() {
    const startedAt = performance.now();
    await super.start();
    await this.call('GET', '/workflows?limit=1');
    return performance.now() - startedAt;
  }

  async call(method, path, body) {
    const text = typeof body === 'string';
    const response = await fetch(`${this.url}/v2${path}`, {
      method,
      ...(body !== undefined && {
        body: text ? body : JSON.stringify(body),
        headers: { 'content-type': text ? 'text/plain' : 'application/json' },
      }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.faultstring}`);
    return answer;
  }

  get isPostgres() {
    return this.#database.startsWith('postgres');
  }

  /** The events of all executions, over one stream. */
  async events() {
    const gone = new AbortController();
    const response = await fetch(`${this.url}/v2/events?types=execution`, { signal: gone.signal });
    const ended = new Set();
    const waiting = new Map();
    const follow = async () => {
      const decoder = new TextDecoder();
      let text = '';
      for await (const chunk of response.body) {
        text += decoder.decode(chunk, { stream: true });
        const events = text.split('\n\n');
        text = events.pop();
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data === undefined) continue;
          const { id, state } = JSON.parse(data);
          if (state !== 'SUCCESS') continue;
          waiting.get(id)?.();
          if (!waiting.delete(id)) ended.add(id);
        }
      }
    };
    follow().catch(() => {});
    return {
      success: (id) => (ended.delete(id) ? Promise.resolve() : new Promise((resolve) => waiting.set(id, resolve))),
      close: () => gone.abort(),
    };
  }

  /** Starts an execution and polls it to its end; returns the milliseconds from sending to seeing SUCCESS. */
  async execute(workflow, input = {}) {
    const startedAt = performance.now();
    let execution = await this.call('POST', '/executions', { workflow_name: workflow, input });
    while (execution.state === 'RUNNING') execution = await this.call('GET', `/executions/${execution.id}`);
    if (execution.state !== 'SUCCESS') throw new Error(`${workflow}: ${execution.state} ${execution.state_info}`);
    return performance.now() - startedAt;
  }
}
