import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drive, request } from './client.mjs';
import { ServerProcess } from './server.mjs';

/**
 * Requests per second beside a bare koa (bare-koa.mjs) that answers the same texts, in turns within one run, so that what else
 * the machine does meets both alike. The share of requests per second is the target; the share of processor time, koa's per
 * request by ours, says the same where the machine has other things to do, and counts the threads of the database in.
 */
export async function load(server, folder) {
  await server.start();
  await server.call('POST', '/workflows', WORKFLOW);
  const body = { workflow_name: 'one_step' };
  const ids = [];
  for (let n = 0; n < EXECUTIONS; n += 1) ids.push((await server.call('POST', '/executions', body)).id);
  // So that a whole page follows on each of them.
  for (let n = 0; n < 100; n += 1) await server.call('POST', '/executions', body);
  const texts = join(folder, 'answers.json');
  const answers = {
    one: await server.call('GET', `/executions/${ids[0]}`),
    list: await server.call('GET', '/executions?limit=100'),
  };
  await writeFile(texts, JSON.stringify(answers));
  const koa = new ServerProcess(fileURLToPath(new URL('bare-koa.mjs', import.meta.url)), [texts]);
  await koa.start();
  const measures = Object.entries({
    'GET of one execution': { requests: ids.map((id) => request('GET', `/v2/executions/${id}`)), target: '>= 50' },
    'GET of 100 executions': {
      requests: [request('GET', '/v2/executions?limit=100')],
      target: '>= 50',
      times: REQUESTS / 10,
    },
    // What is asked for at the same moment is answered together; here no two ask for the same.
    'GET of 100 executions, each from another one': {
      requests: ids.map((id) => request('GET', `/v2/executions?limit=100&marker=${id}`)),
      target: '>= 50',
    },
    'POST of an execution': {
      requests: [request('POST', '/v2/executions', JSON.stringify(body))],
      target: '>= 25',
    },
  }).filter(([what]) => what.startsWith(process.env.ONLY ?? ''));
  const rounds = new Map(measures.map(([what]) => [what, []]));
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [what, { requests, times = REQUESTS }] of measures) {
        const theirs = await drive(koa, requests, { times });
        const ours = await drive(server, requests, { times });
        // In the first round nothing is compiled yet.
        if (round > 0) rounds.get(what).push({ theirs, ours });
      }
    }
  } finally {
    await koa.stop();
  }
  return measures.flatMap(([what, { target }]) => figures(what, rounds.get(what), target));
}

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const REQUESTS = Number(process.env.REQUESTS ?? 2000);
const EXECUTIONS = 300;

const WORKFLOW = "version: '2.0'\none_step:\n  tasks:\n    t:\n      action: std.noop\n";

function figures(what, rounds, target) {
  const cpu = (whose) => rounds.reduce((sum, round) => sum + round[whose].cpu, 0) / rounds.length;
  const rate = (whose) => median(rounds.map((round) => round[whose].perSecond));
  return [
    { what: `${what}, bare koa`, value: rate('theirs'), unit: '/s' },
    { what, value: rate('ours'), unit: '/s' },
    { what: `${what}, bare koa, processor`, value: 1000 * cpu('theirs'), unit: 'µs' },
    { what: `${what}, processor`, value: 1000 * cpu('ours'), unit: 'µs' },
    {
      what: `${what}, of bare koa`,
      value: 100 * median(rounds.map(({ ours, theirs }) => ours.perSecond / theirs.perSecond)),
      unit: '%',
      target,
    },
    { what: `${what}, of bare koa by processor time`, value: (100 * cpu('theirs')) / cpu('ours'), unit: '%' },
  ];
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
