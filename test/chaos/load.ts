import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../engine/ids.ts';
import type { Random } from '../simulation/random.ts';
import { VALUE } from './ledger.ts';
import type { ChaosLedger } from './ledger.ts';
import { DEFINITIONS, pickKind } from './workflows.ts';
import type { Kind } from './workflows.ts';

/** An execution that was asked for, under an id of our own: asking again after a lost answer starts nothing twice. */
export interface Started {
  readonly id: string;
  readonly kind: Kind;
  /** What a person did to it on the way. */
  readonly operation: 'none' | 'pause' | 'cancel';
}

export interface LoadOptions {
  readonly random: Random;
  readonly ledger: ChaosLedger;
  /** Addresses of the nodes with the API. */
  readonly urls: readonly string[];
  /** Executions that are under way at once. */
  readonly width: number;
}

/** Starts workflows as long as it is told, keeps about the same number under way, and does what people do. */
export class Load {
  readonly started: Started[] = [];
  /** Requests that were sent again since no answer came, or one of 5xx. */
  repeated = 0;
  /** Refusals, by what was asked and what was said, without ids. */
  readonly refusals = new Map<string, number>();
  private readonly options: LoadOptions;
  private readonly open = new Set<string>();
  private readonly background = new Set<Promise<void>>();
  private isStopping = false;
  private turn = 0;

  constructor(options: LoadOptions) {
    this.options = options;
    options.ledger.onLater = (id) => this.inBackground(() => this.complete(id));
  }

  async define(): Promise<void> {
    await this.ask('POST', '/v2/workflows', DEFINITIONS, 'text/plain');
  }

  /** Until {@link stop}. */
  async run(): Promise<void> {
    while (!this.isStopping) {
      if (this.open.size < this.options.width) this.startOne();
      else await this.lookForEnded();
      await sleep(20);
    }
  }

  /** Nothing is started any more; resolves when every start and every completion has been answered. */
  async stop(): Promise<void> {
    this.isStopping = true;
    while (this.background.size > 0) await Promise.all(this.background);
  }

  /** Lets go on what still stands: a pause may have been carried out after the resumption that followed it. */
  async resume(id: string): Promise<void> {
    await this.ask('PUT', `/v2/executions/${id}`, JSON.stringify({ state: 'RUNNING' }));
  }

  private startOne(): void {
    const { random } = this.options;
    const chance = random.next();
    const operation = chance < 0.05 ? 'cancel' : chance < 0.15 ? 'pause' : 'none';
    const one: Started = { id: newId(), kind: pickKind(random), operation };
    this.started.push(one);
    this.open.add(one.id);
    this.inBackground(() => this.play(one));
  }

  private async play({ id, kind, operation }: Started): Promise<void> {
    const { ledger } = this.options;
    const input = { url: ledger.url, run: id };
    await this.ask('POST', '/v2/executions', JSON.stringify({ id, workflow_name: kind.name, input }));
    if (operation === 'none') return;
    await sleep(300);
    const path = `/v2/executions/${id}`;
    if (operation === 'cancel') {
      await this.ask('PUT', path, JSON.stringify({ state: 'CANCELLED', state_info: 'by chaos' }));
      return;
    }
    await this.ask('PUT', path, JSON.stringify({ state: 'PAUSED' }));
    await sleep(500);
    await this.ask('PUT', path, JSON.stringify({ state: 'RUNNING' }));
  }

  /** As a service that was asked through `std.mistral_http`. */
  private async complete(actionExecutionId: string): Promise<void> {
    await sleep(100);
    const body = JSON.stringify({ state: 'SUCCESS', output: { value: VALUE } });
    await this.ask('PUT', `/v2/action_executions/${actionExecutionId}`, body);
  }

  private async lookForEnded(): Promise<void> {
    await sleep(200);
    const [id] = this.open;
    if (id === undefined) return;
    // In turn: the oldest one looked at goes to the end of the set.
    this.open.delete(id);
    const state = await this.stateOf(id);
    if (state === null || !['SUCCESS', 'ERROR', 'CANCELLED'].includes(state)) this.open.add(id);
  }

  private async stateOf(id: string): Promise<string | null> {
    const answer = await this.tryOnce('GET', `/v2/executions/${id}`, null, 'application/json');
    if (answer === null || answer.status >= 300) return null;
    return (JSON.parse(answer.body) as { state: string }).state;
  }

  /** Until a node has an answer that is its own: 2xx, or a refusal. */
  private async ask(method: string, path: string, body: string | null, type = 'application/json'): Promise<void> {
    for (;;) {
      const answer = await this.tryOnce(method, path, body, type);
      if (answer !== null && answer.status < 500 && answer.status !== 404) {
        if (answer.status >= 400) this.note(`${method} ${path}: ${answer.status} ${answer.body}`);
        return;
      }
      if (answer !== null) this.note(`${method} ${path}: ${answer.status} ${answer.body}`);
      this.repeated++;
      await sleep(300);
    }
  }

  private async tryOnce(
    method: string,
    path: string,
    body: string | null,
    type: string,
  ): Promise<{ readonly status: number; readonly body: string } | null> {
    const { urls } = this.options;
    const url = urls[this.turn++ % urls.length] ?? '';
    try {
      const response = await fetch(url + path, {
        method,
        ...(body === null ? {} : { body, headers: { 'content-type': type } }),
        signal: AbortSignal.timeout(10_000),
      });
      return { status: response.status, body: await response.text() };
    } catch {
      return null;
    }
  }

  private note(refusal: string): void {
    const text = refusal.replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID').slice(0, 200);
    this.refusals.set(text, (this.refusals.get(text) ?? 0) + 1);
  }

  private inBackground(work: () => Promise<void>): void {
    const done = work().finally(() => this.background.delete(done));
    this.background.add(done);
  }
}
