import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startFakeCello } from '../../executors/fakes/cello.ts';
import { startFakeFlink } from '../../executors/fakes/flink.ts';
import { startFakeLighter } from '../../executors/fakes/lighter.ts';
import { startFakeLivy } from '../../executors/fakes/livy.ts';
import { startFakeMist } from '../../executors/fakes/mist.ts';
import { runCommandWith } from '../helpers/command-line.ts';
import { startFakeSparkMaster } from '../../executors/fakes/spark-master.ts';

test('connections of a configuration are listed and shown without secrets, and each kind is tested', async (t) => {
  const started = await Promise.all([
    startFakeLivy(),
    startFakeLighter(),
    startFakeMist(),
    startFakeSparkMaster(),
    startFakeFlink({ version: '2.3.0' }),
    startFakeCello([{ count: 1 }]),
  ]);
  t.teardown(() => Promise.all(started.map((server) => server.close())));
  const [livy, lighter, mist, master, flink, cello] = started;
  const folder = mkdtempSync(join(tmpdir(), 'tramontane-connections-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'tramontane.yaml');
  writeFileSync(
    config,
    `connections:
  yarn:
    type: livy
    url: ${livy.url}
    auth: {basic: {user: etl, password: {env: LIVY_PASSWORD}}}
    headers: {x-team: {env: TEAM_KEY}}
    limits: {jobs: 4}
  nightly: {type: lighter, url: ${lighter.url}, auth: {bearer: {env: LIVY_PASSWORD}}}
  old: {type: mist, url: ${mist.url}}
  cluster: {type: spark-standalone, url: ${master.url}, master_ui: ${master.url}}
  streams: {type: flink, url: ${flink.url}}
  pool: {type: cluster, url: ${cello.url}}
  gone: {type: livy, url: http://127.0.0.1:1, timeout: 5}
`,
  );
  const cli = (environment: Record<string, string>, ...args: string[]) =>
    runCommandWith(environment, ['connection', ...args, '--config', config]);
  const secrets = { LIVY_PASSWORD: 'top-secret', TEAM_KEY: 'team-secret' };
  const list = await cli(secrets, 'list', '--format', 'json');
  t.is(list.code, 0, list.err);
  const rows = JSON.parse(list.out) as { name: string; auth: string | null }[];
  t.deepEqual(
    rows.map(({ name, auth }) => [name, auth]),
    [
      ['cluster', null],
      ['gone', null],
      ['nightly', 'Bearer ***'],
      ['old', null],
      ['pool', null],
      ['streams', null],
      ['yarn', 'Basic ***'],
    ],
  );
  const one = await cli(secrets, 'get', 'yarn', '--format', 'json');
  t.like(JSON.parse(one.out), { type: 'livy', headers: { 'x-team': '***' }, limits: { jobs: 4, requests: null } });
  t.false(/secret|ZXRs/.test(list.out + one.out), 'neither as it is nor encoded');

  const good = ['yarn', 'nightly', 'old', 'cluster', 'streams', 'pool'];
  const tested = await cli(secrets, 'test', ...good, '--format', 'json');
  t.is(tested.code, 0, tested.out + tested.err);
  const says = (JSON.parse(tested.out) as { name: string; says: string }[]).map(
    ({ name, says: text }) => `${name}: ${text}`,
  );
  t.is(says.length, 7, 'a master has two addresses');
  for (const expected of [
    /^yarn: Livy 0\.9/,
    /^nightly: Lighter/,
    /^old: Mist/,
    /^cluster: Spark 3\.5/,
    /^cluster: .*ALIVE/,
  ])
    t.true(
      says.some((text) => expected.test(text)),
      `${expected}: ${says.join('; ')}`,
    );
  t.true(says.includes('streams: Flink 2.3.0'), says.join('; '));
  const gone = await cli(secrets, 'test', 'gone');
  t.is(gone.code, 1);
  t.regex(gone.out, /gone .*false/);

  t.regex((await cli(secrets, 'get', 'yarm')).err, /there are: cluster, gone/);
  const missing = await cli({}, 'list');
  t.is(missing.code, 2);
  t.regex(missing.err, /LIVY_PASSWORD/);
});
