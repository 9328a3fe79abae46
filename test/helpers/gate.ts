import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitFor } from './waiting.ts';

/** Which exchange a lane stops at. Neither the request nor the answer that is held is ever passed on: whoever waits for it waits in vain. */
export interface Hold {
  /** By `METHOD /path`: held before the other side has seen it. */
  request?(line: string): boolean;
  /** The other side has done it, and nobody hears of that. */
  answer?(line: string, text: string): boolean;
  /** The other side has done it, and the connection is cut instead of an answer. */
  cut?(line: string): boolean;
}

export interface PassedExchange {
  /** `METHOD /path`, without the lane. */
  readonly line: string;
  readonly status: number;
  readonly text: string;
}

/** Stands between a server under test and what it calls; each lane is an address of its own, and stops where it is told to. */
export interface Gate {
  /** The address of a lane, to be used in place of the real one. */
  url(lane: string): string;
  hold(lane: string, hold: Hold): void;
  /** Resolves once something is held there. */
  held(lane: string): Promise<void>;
  /** What the other side has answered, held answers included. */
  passed(lane: string): readonly PassedExchange[];
  /** From now on everything passes. */
  open(): void;
  close(): Promise<void>;
}

export async function openGate(target: string): Promise<Gate> {
  const holds = new Map<string, Hold>();
  const stopped = new Set<string>();
  const passed = new Map<string, PassedExchange[]>();
  const server = createServer((request, response) => {
    pass(request, response).catch(() => response.destroy());
  });

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, lane = '', path = '/'] = /^\/([^/]+)(\/.*)$/.exec(request.url ?? '') ?? [];
    const line = `${request.method} ${path.replace(/\?.*$/, '')}`;
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    if (holds.get(lane)?.request?.(line) === true) return void stopped.add(lane);
    const answer = await forward(request, `${target}${path}`, Buffer.concat(body));
    const text = answer.body.toString('utf8');
    passed.set(lane, [...(passed.get(lane) ?? []), { line, status: answer.status, text }]);
    if (holds.get(lane)?.answer?.(line, text) === true) return void stopped.add(lane);
    if (holds.get(lane)?.cut?.(line) === true) return void response.destroy();
    response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (lane) => `http://127.0.0.1:${port}/${lane}`,
    hold: (lane, hold) => void holds.set(lane, hold),
    held: async (lane) => {
      await waitFor(`what is held at '${lane}'`, async () => stopped.has(lane), 400_000).catch((error: unknown) => {
        const last = (passed.get(lane) ?? []).slice(-5).map(({ line, text }) => `${line}: ${text.slice(0, 300)}`);
        throw new Error([String(error), ...last].join('\n'));
      });
    },
    passed: (lane) => passed.get(lane) ?? [],
    open: () => holds.clear(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(
  from: IncomingMessage,
  url: string,
  body: Buffer,
): Promise<{ readonly status: number; readonly type: string; readonly body: Buffer }> {
  const { 'content-type': type } = from.headers;
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': body.length, ...(type !== undefined && { 'content-type': type }) };
    const asked = httpRequest(url, { method: from.method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({
          status: answer.statusCode ?? 502,
          type: answer.headers['content-type'] ?? 'application/json',
          body: Buffer.concat(chunks),
        }),
      );
    });
    asked.once('error', reject);
    asked.end(body);
  });
}
