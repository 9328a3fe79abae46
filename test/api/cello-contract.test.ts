import test, { type ExecutionContext } from 'ava';
import { startFakeCello } from '../../executors/fakes/cello.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { waitFor } from '../helpers/waiting.ts';

// One suite for Cello, as the fake stands for it, and for our own service (spec/cluster.md §5): every call of §1.1 to §1.4. Where the two differ,
// `own` says what ours does and §3.1 why; everything else is the same answer from both.

interface Service {
  readonly isOwn: boolean;
  readonly dialect: 'v0.6' | 'v0.9' | 'own';
  readonly url: string;
  /** `data` of a success that has none, and of every failure. */
  readonly nothing: unknown;
  /** What releases have set going is done. */
  settled(): Promise<void>;
}

/** Two clusters of pbft, batch, size 4. */
type Open = (t: ExecutionContext) => Promise<Service>;

const fake =
  (dialect: 'v0.6' | 'v0.9'): Open =>
  async (t) => {
    const cello = await startFakeCello([{ count: 2 }], { dialect });
    t.teardown(() => cello.close());
    return { isOwn: false, dialect, url: cello.url, nothing: {}, settled: async () => cello.recycle() };
  };

const own: Open = async (t) => {
  const cluster = { provider: 'fake', capacity: 2, min_free: 2, type: 'pbft', mode: 'batch', sizes: [4] };
  const { url, store } = await startNodeServer(t, { pools: { cluster }, clusters: { tick_seconds: 0.5 } });
  const settled = async () => {
    await waitFor('clusters that are ready', async () => {
      const rows = await store.reader('clusters').whereIn('status', ['running', 'stopped']);
      return rows.length === 2;
    });
  };
  await settled();
  return { isOwn: true, dialect: 'own', url, nothing: '', settled };
};

interface Answer {
  readonly http: number;
  readonly body: unknown;
}

/** Where parameters stand, with each verb that lets them stand there. */
const PLACES = ['GET query', 'POST query', 'GET json', 'POST json', 'POST form'] as const;
type Place = (typeof PLACES)[number];
const BOTH = ['GET query', 'POST json'] as const;

async function call(
  { url }: Service,
  place: Place,
  path: string,
  parameters: Readonly<Record<string, unknown>> = {},
  query = '',
): Promise<Answer> {
  const words = new URLSearchParams(
    Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  const [method, where] = place.split(' ');
  const search = [query, where === 'query' ? words : ''].filter((part) => part !== '').join('&');
  const target = new URL(`/v2/${path}${search === '' ? '' : `?${search}`}`, url);
  const body = where === 'query' ? null : where === 'form' ? words : JSON.stringify(parameters);
  return request(target, method ?? 'GET', body, where === 'form' ? 'application/x-www-form-urlencoded' : 'text/plain');
}

/** With node:http, because fetch sends no body with GET. */
async function request(target: URL, method: string, body: string | null, type: string): Promise<Answer> {
  const { request: send } = await import('node:http');
  return new Promise((resolve, reject) => {
    const sent = send(target, { method, agent: false, headers: headersOf(body, type) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        const isJson = (response.headers['content-type'] ?? '').includes('json');
        resolve({ http: response.statusCode ?? 0, body: isJson ? (JSON.parse(text) as unknown) : text });
      });
    });
    sent.on('error', reject).end(body ?? undefined);
  });
}

/** A GET tells of its body only when it is told to. */
function headersOf(body: string | null, type: string): Record<string, string | number> {
  return body === null ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
}

const ok = (data: unknown): Answer => ({ http: 200, body: { status: 'OK', code: 200, error: '', data } });
const fail = ({ nothing }: Service, error: string, code = 400): Answer => ({
  http: 400,
  body: { status: 'FAIL', code, error, data: nothing },
});

interface Cluster {
  readonly id: string;
  readonly name: string;
  readonly user_id: string;
  readonly status: string;
  readonly health: string;
  readonly [key: string]: unknown;
}
const dataOf = (answer: Answer) => (answer.body as { data: unknown }).data;
const clusterOf = (answer: Answer) => dataOf(answer) as Cluster;
const namesOf = (answer: Answer) => (dataOf(answer) as Cluster[]).map(({ name }) => name).toSorted();

/** Cello's keys of a cluster, and what they hold. */
const KEYS: Readonly<Record<string, string>> = {
  id: 'string',
  name: 'string',
  user_id: 'string',
  host_id: 'string',
  consensus_plugin: 'string',
  consensus_mode: 'string',
  daemon_url: 'string',
  create_ts: 'string',
  apply_ts: 'string',
  release_ts: 'string',
  duration: 'string',
  size: 'number',
  containers: 'array',
  status: 'string',
  health: 'string',
  mapped_ports: 'object',
  service_url: 'object',
};
const kindOf = (value: unknown) => (Array.isArray(value) ? 'array' : typeof value);

for (const [name, open] of [
  ['Cello v0.6', fake('v0.6')],
  ['Cello v0.9', fake('v0.9')],
  ['our service', own],
] as const) {
  test(`${name}: routes and verbs, and the text of every refusal, wherever the parameters stand`, async (t) => {
    const service = await open(t);
    for (const route of ['cluster_op', 'clusters', 'cluster_apply', 'cluster_release'])
      for (const method of ['PUT', 'DELETE', 'PATCH'])
        t.is((await request(new URL(`/v2/${route}`, service.url), method, null, '')).http, 405, `${method} ${route}`);
    t.is((await call(service, 'POST json', 'cluster/x')).http, 405);
    t.is((await call(service, 'GET query', 'cluster')).http, 404);
    t.deepEqual(await call(service, 'GET query', 'cluster/x'), fail(service, 'cluster not found with id=x', 404));
    const refusals: readonly (readonly [string, Readonly<Record<string, unknown>>, string])[] = [
      ['cluster_op', {}, 'Unknown action type'],
      ['cluster_op', { action: 'dance' }, 'Unknown action type'],
      ...(['cluster_apply', 'cluster_op'] as const).flatMap((path) => {
        const action = path === 'cluster_op' ? { action: 'apply' } : {};
        return [
          [path, action, 'cluster_apply without user_id'],
          [path, { ...action, user_id: '' }, 'cluster_apply without user_id'],
          [path, { ...action, user_id: 'u', consensus_plugin: 'x' }, 'Invalid consensus_plugin'],
          [path, { ...action, user_id: 'u', consensus_mode: 'classic' }, 'Invalid consensus_mode'],
          [path, { ...action, user_id: 'u', size: 5 }, 'Invalid cluster_size'],
          [path, { ...action, user_id: 'u', size: -4 }, 'Invalid cluster_size'],
        ] as const;
      }),
      ...['release', 'start', 'stop', 'restart'].map(
        (action) => ['cluster_op', { action }, 'No cluster_id is given'] as const,
      ),
      ...['start', 'stop', 'restart'].map(
        (action) => ['cluster_op', { action, cluster_id: 'x' }, `cluster ${action} failed`] as const,
      ),
      ['cluster_release', {}, service.isOwn ? 'No cluster_id is given' : 'cluster_release without id'],
    ];
    for (const [path, parameters, error] of refusals)
      for (const place of error === 'Unknown action type' ? PLACES : BOTH)
        t.deepEqual(
          await call(service, place, path, parameters),
          fail(service, error),
          `${place} ${path} ${JSON.stringify(parameters)}`,
        );
    for (const place of BOTH) {
      const odd = await call(service, place, 'cluster_apply', { user_id: 'u', size: 'many' });
      if (service.isOwn) t.deepEqual(odd, fail(service, 'Invalid cluster_size'));
      else t.is(odd.http, 500);
    }
  });

  test(`${name}: apply, list and get`, async (t) => {
    const service = await open(t);
    const first = await call(service, 'POST json', 'cluster_op', { action: 'apply', user_id: 'ann' });
    const cluster = clusterOf(first);
    t.deepEqual(first, ok(cluster));
    for (const [key, kind] of Object.entries(KEYS)) t.is(kindOf(cluster[key]), kind, key);
    t.like(cluster, {
      user_id: 'ann',
      consensus_plugin: 'pbft',
      consensus_mode: 'batch',
      size: 4,
      status: 'running',
      health: 'OK',
      release_ts: '',
    });
    t.not(cluster.apply_ts, '');
    t.regex(cluster.name, /^cluster-[12]$/);
    const other = cluster.name === 'cluster-1' ? 'cluster-2' : 'cluster-1';
    // The same user gets the same one again, whatever he asks for that it is.
    const wishes = [{ consensus_plugin: 'pbft' }, { consensus_mode: 'batch' }, { size: 4 }, { allow_multiple: '' }];
    for (const path of ['cluster_op', 'cluster_apply'])
      for (const [place, wish] of [
        ...PLACES.map((one) => [one, {}] as const),
        ...BOTH.flatMap((one) => wishes.map((more) => [one, more] as const)),
      ])
        t.deepEqual(
          await call(service, place, path, { action: 'apply', user_id: 'ann', ...wish }),
          first,
          `${place} ${path} ${JSON.stringify(wish)}`,
        );
    t.deepEqual(await call(service, 'POST json', 'cluster_apply', { user_id: 'ann', allow_multiple: false }), first);
    // Query before form, query before JSON.
    for (const place of ['POST form', 'POST json'] as const)
      t.deepEqual(
        await call(service, place, 'cluster_op', { action: 'dance', user_id: 'eve' }, 'action=apply&user_id=ann'),
        first,
      );
    // From a query every text is true for Cello.
    const wordFalse = await call(service, 'GET query', 'cluster_apply', { user_id: 'ann', allow_multiple: 'False' });
    if (service.isOwn) t.deepEqual(wordFalse, first);
    else t.not(clusterOf(wordFalse).id, cluster.id);
    const second = service.isOwn
      ? await call(service, 'POST json', 'cluster_apply', { user_id: 'ann', allow_multiple: true })
      : wordFalse;
    t.is(clusterOf(second).name, other);
    for (const place of BOTH) {
      t.deepEqual(
        await call(service, place, 'cluster_apply', { user_id: 'ben' }),
        fail(service, 'No available res for ben'),
      );
      t.deepEqual(
        await call(service, place, 'cluster_op', { action: 'apply', user_id: 'ann', allow_multiple: 1 }),
        fail(service, 'No available res for ann'),
      );
    }
    await call(service, 'GET query', 'cluster_op', { action: 'release', cluster_id: clusterOf(second).id });
    await service.settled();

    const both = ['cluster-1', 'cluster-2'];
    const filters: readonly (readonly [Readonly<Record<string, unknown>>, readonly string[]])[] = [
      [{}, both],
      [{ user_id: '' }, [other]],
      [{ user_id: 'ann' }, [cluster.name]],
      [{ user_id: 'nobody' }, []],
      [{ id: cluster.id }, [cluster.name]],
      [{ name: other }, [other]],
      [{ consensus_plugin: 'pbft' }, both],
      [{ consensus_plugin: 'noops' }, []],
      [{ consensus_mode: 'batch', user_id: 'ann' }, [cluster.name]],
      [{ status: 'running' }, both],
      [{ status: 'stopped' }, []],
      [{ health: 'OK' }, both],
      [{ host_id: cluster.host_id }, both],
      [{ nonsense: 'x' }, []],
      [{ create_ts: cluster.create_ts, apply_ts: cluster.apply_ts }, [cluster.name]],
    ];
    for (const [filter, expected] of filters)
      for (const place of ['GET query', 'POST json'] as const)
        t.deepEqual(
          namesOf(await call(service, place, 'clusters', filter)),
          expected,
          `${place} ${JSON.stringify(filter)}`,
        );
    // A text is no number for Cello, and `user` no field.
    t.deepEqual(namesOf(await call(service, 'POST json', 'clusters', { size: 4 })), both);
    t.deepEqual(namesOf(await call(service, 'GET query', 'clusters', { size: 4 })), service.isOwn ? both : []);
    t.deepEqual(
      namesOf(await call(service, 'POST json', 'clusters', { user: 'ann' })),
      service.isOwn ? [cluster.name] : [],
    );
    if (service.dialect !== 'v0.6') {
      t.deepEqual(namesOf(await call(service, 'GET query', 'clusters', { state: 'active' })), both);
      t.deepEqual(namesOf(await call(service, 'GET query', 'clusters', { state: 'released' })), [other]);
    }
    t.deepEqual(await call(service, 'GET query', 'clusters', { user_id: 'ann' }), ok([cluster]));
    t.deepEqual(await call(service, 'GET query', `cluster/${cluster.id}`), ok(cluster));
  });

  test(`${name}: release, by cluster and by user`, async (t) => {
    const service = await open(t);
    const lease = async (user: string, more = {}) =>
      clusterOf(await call(service, 'POST json', 'cluster_apply', { user_id: user, ...more }));
    for (const place of PLACES)
      for (const path of ['cluster_op', 'cluster_release']) {
        const { id, name: kept } = await lease('ann');
        const release = { action: 'release', cluster_id: id };
        t.deepEqual(await call(service, place, path, release), ok(service.nothing), `${place} ${path}`);
        await service.settled();
        // Its name lives on under another id, free; the old id names nobody's life any more.
        const [next] = dataOf(await call(service, 'POST json', 'clusters', { name: kept })) as Cluster[];
        t.not(next?.id, id);
        t.is(next?.user_id, '');
        t.deepEqual(await call(service, place, path, release), ok(service.nothing), 'once more');
        const gone = await call(service, 'GET query', `cluster/${id}`);
        t.deepEqual(gone, fail(service, `cluster not found with id=${id}`, 404));
      }
    t.deepEqual(
      await call(service, 'GET query', 'cluster_op', { action: 'release', cluster_id: 'x' }),
      ok(service.nothing),
    );
    t.deepEqual(await call(service, 'GET query', 'cluster_release', { cluster_id: 'x' }), ok(service.nothing));

    for (const place of BOTH) {
      await lease('ann', { allow_multiple: true });
      await lease('ann', { allow_multiple: true });
      // Documented, and not read by Cello's cluster_op.
      const byUser = await call(service, place, 'cluster_op', { action: 'release', user_id: 'ann' });
      t.deepEqual(byUser, service.isOwn ? ok(service.nothing) : fail(service, 'No cluster_id is given'), place);
      t.deepEqual(await call(service, place, 'cluster_release', { user_id: 'ann' }), ok(service.nothing), place);
      await service.settled();
      t.is(namesOf(await call(service, 'POST json', 'clusters', { user_id: '' })).length, 2);
    }
    t.deepEqual(await call(service, 'GET query', 'cluster_release', { user_id: 'nobody' }), ok(service.nothing));
    const { id } = await lease('ann');
    const byOther = await call(service, 'POST json', 'cluster_op', {
      action: 'release',
      cluster_id: id,
      user_id: 'ben',
    });
    t.deepEqual(byOther, service.isOwn ? fail(service, `cluster ${id} is not held by ben`, 403) : ok(service.nothing));
  });

  test(`${name}: start, stop and restart leave a cluster with its user`, async (t) => {
    const service = await open(t);
    const { id } = clusterOf(await call(service, 'GET query', 'cluster_apply', { user_id: 'ann' }));
    for (const place of BOTH)
      for (const [action, state] of [
        ['stop', 'stopped  ann'],
        ['start', 'running OK ann'],
        ['stop', 'stopped  ann'],
        ['restart', 'running OK ann'],
      ] as const) {
        t.deepEqual(await call(service, place, 'cluster_op', { action, cluster_id: id }), ok(service.nothing), place);
        const { status, health, user_id: user } = clusterOf(await call(service, 'GET query', `cluster/${id}`));
        t.is(`${status} ${health} ${user}`, state, `${place} ${action}`);
      }
    const ofNode = { action: 'restart', cluster_id: id, node_id: 'w0' };
    t.deepEqual(await call(service, 'POST json', 'cluster_op', ofNode), ok(service.nothing));
    t.deepEqual(
      await call(service, 'POST json', 'cluster_op', { ...ofNode, node_id: 'w9' }),
      service.isOwn ? fail(service, 'cluster restart failed: there is no node w9') : ok(service.nothing),
    );
  });
}
