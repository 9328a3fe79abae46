import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Observer {
  /** Holders ask for `<url>/enter/<name of the cluster>/<id of its life>/<execution>`, and `leave` likewise. */
  readonly url: string;
  readonly violations: readonly string[];
  /** Who has come in, and who has gone out again. */
  readonly entered: ReadonlySet<string>;
  readonly left: ReadonlySet<string>;
  /** Who is in which cluster, by the cluster's name. */
  readonly inside: ReadonlyMap<string, { readonly execution: string; readonly life: string }>;
}

/**
 * Somebody outside whom holders tell themselves when they begin and end to use a cluster. He knows clusters by their names, which stand for the same
 * processes and ports in every life: so he also sees somebody come in whose life began before the last user had gone.
 * A server that dies in between makes its holders say things twice: what somebody says who has gone counts no more.
 *
 * @param keeps the first visitor gets no answer, and so cannot leave, before somebody else comes to his cluster.
 */
export async function observe(
  t: { teardown(end: () => void): void },
  { keeps = false }: { readonly keeps?: boolean } = {},
): Promise<Observer> {
  const inside = new Map<string, { readonly execution: string; readonly life: string }>();
  const [entered, left] = [new Set<string>(), new Set<string>()];
  const violations: string[] = [];
  const kept: (() => void)[] = [];
  const enter = (name: string, life: string, execution: string): void => {
    const holder = inside.get(name);
    if (holder !== undefined && holder.execution !== execution)
      violations.push(
        `${execution} comes to ${name} in its life ${life}, and ${holder.execution} is there in ${holder.life}`,
      );
    const elsewhere = [...inside].find(([other, one]) => other !== name && one.execution === execution);
    if (elsewhere !== undefined) violations.push(`${execution} comes to ${name} and is in ${elsewhere[0]} as well`);
    inside.set(name, { execution, life });
    entered.add(execution);
  };
  const leave = (name: string, life: string, execution: string): void => {
    const holder = inside.get(name);
    if (holder?.execution === execution && holder.life === life) inside.delete(name);
    else violations.push(`${execution} leaves ${name} in its life ${life}, where ${holder?.execution ?? 'nobody'} is`);
    left.add(execution);
  };
  const server = createServer((request, response) => {
    const [, verb, name = '', life = '', execution = ''] = (request.url ?? '').split('/');
    if (!left.has(execution)) (verb === 'enter' ? enter : leave)(name, life, execution);
    const answer = () => response.end('{}');
    if (keeps && violations.length === 0) kept.push(answer);
    else for (const one of [...kept.splice(0), answer]) one();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    violations,
    entered,
    left,
    inside,
  };
}
