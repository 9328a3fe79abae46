import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Store } from '../engine/store/connection.ts';

/** What a process without the API answers: whether it lives, and whether it reaches its database. */
export function createProbes(store: Store): (request: IncomingMessage, response: ServerResponse) => void {
  const answer = async (path: string): Promise<{ readonly status: number; readonly body: object }> => {
    if (path === '/healthz') return { status: 200, body: { status: 'ok' } };
    if (path !== '/readyz')
      return { status: 404, body: { faultstring: 'This process has no API; it answers /healthz and /readyz.' } };
    return store.reader.raw('select 1').then(
      () => ({ status: 200, body: { status: 'ok' } }),
      () => ({ status: 503, body: { faultstring: 'The database cannot be reached.' } }),
    );
  };
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    void answer(path).then(({ status, body }) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  };
}
