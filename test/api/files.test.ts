import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { sweepJobFiles } from '../../engine/store/job-files.ts';
import { addToken } from '../../engine/store/tokens.ts';
import { fakeSparkHome } from '../executors/helpers/fake-spark.ts';
import { startApi } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { RestClient } from '../helpers/rest-client.ts';
import { runCommandWith } from '../helpers/command-line.ts';
import { waitFor, waitForEnd } from '../helpers/waiting.ts';

const DAY = 86_400_000;

// Three pieces of the store.
const CONTENT = randomBytes(1_300_000);
const HASH = sha256(CONTENT);

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

async function read(url: string): Promise<Buffer> {
  const response = await fetch(url, { headers: { Connection: 'close' } });
  return Buffer.from(await response.arrayBuffer());
}

test('a file is kept by its content, once, and comes back as it is until it is deleted', async (t) => {
  const { send, url, store } = await startApi(t);
  const created = await send('POST', '/v2/files?name=job.jar', CONTENT);
  t.is(created.status, 201, JSON.stringify(created.body));
  t.like(created.body, { name: 'job.jar', sha256: HASH, size: 1_300_000, received: 1_300_000 });
  t.is(created.body.uri, `sha256:${HASH}/job.jar`);
  t.false('link_key' in created.body);
  const again = await send('POST', `/v2/files?name=other.jar&sha256=${HASH}`, CONTENT);
  t.like(again.body, { id: created.body.id, name: 'other.jar' }, 'the same content under a new name');
  t.is((await send('GET', '/v2/files?name=other.jar')).body.files.length, 1);
  for (const identifier of [HASH, `sha256:${HASH}`, encodeURIComponent(again.body.uri), created.body.id]) {
    t.like(await send('GET', `/v2/files/${identifier}`), { status: 200, body: { size: 1_300_000 } }, identifier);
  }
  t.is((await fetch(`${url}/v2/files/${HASH}`, { method: 'HEAD' })).status, 200);
  t.true(CONTENT.equals(await read(`${url}/v2/files/${HASH}/content`)));
  const empty = await send('POST', '/v2/files?name=empty.txt', '');
  t.like(empty.body, { size: 0, sha256: sha256('') });
  t.is((await read(`${url}/v2/files/${empty.body.id}/content`)).length, 0);
  t.is((await send('DELETE', `/v2/files/${HASH}`)).status, 204);
  t.is((await send('GET', `/v2/files/${HASH}`)).status, 404);
  t.is((await send('DELETE', `/v2/files/${HASH}`)).status, 404);
  t.deepEqual(await store.reader('job_file_chunks').select('file_id'), [], 'and no piece of it is left');
});

test('an upload that breaks off goes on where it was, found by its hash', async (t) => {
  const { send, url, store } = await startApi(t);
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(
    `POST /v2/files?name=job.jar&sha256=${HASH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${CONTENT.length}\r\n\r\n`,
  );
  socket.write(CONTENT.subarray(0, 700_000));
  const received = async () => (await store.reader('job_file_uploads').first('received'))?.received ?? 0;
  await waitFor('the first piece', async () => (await received()) >= 512 * 1024);
  socket.destroy();
  await waitFor('the rest of what was sent', async () => (await received()) > 512 * 1024);
  const half = await send('GET', `/v2/files/${HASH}`);
  t.is(half.status, 404);
  const offset = Number(half.headers.get('upload-offset'));
  t.is(offset, await received());
  const head = await fetch(`${url}/v2/files/${HASH}`, { method: 'HEAD' });
  t.is(head.headers.get('upload-offset'), String(offset));

  const early = await send('POST', `/v2/files?name=j.jar&sha256=${HASH}&offset=${offset + 1}`, 'x');
  t.is(early.status, 409, 'a gap is refused');
  t.is(early.headers.get('upload-offset'), String(offset));
  const asked = await send('POST', `/v2/files?name=j.jar&sha256=${HASH}&size=${CONTENT.length}`, '');
  t.like(asked, { status: 201, body: { size: null, received: offset } }, 'an empty piece tells how far it is');
  const rest = await send('POST', `/v2/files?name=job.jar&sha256=${HASH}&offset=${offset}`, CONTENT.subarray(offset));
  t.like(rest, { status: 201, body: { size: CONTENT.length, sha256: HASH } });
  t.true(CONTENT.equals(await read(`${url}/v2/files/${HASH}/content`)));
  t.deepEqual(await store.reader('job_file_uploads').select('id'), []);
});

test('who sends all of it again sends nothing twice into the store, and pieces may come in requests of their own', async (t) => {
  const { send, url, store } = await startApi(t);
  const path = `/v2/files?name=job.jar&sha256=${HASH}&size=${CONTENT.length}`;
  t.like((await send('POST', path, CONTENT.subarray(0, 600_000))).body, { size: null, received: 600_000 });
  t.like((await send('POST', path, CONTENT)).body, { size: CONTENT.length });
  const sizes = await store.reader('job_file_chunks').orderBy('seq').select(store.reader.raw('length(body) as bytes'));
  t.is(
    sizes.reduce((sum: number, row: { bytes: number }) => sum + row.bytes, 0),
    CONTENT.length,
  );
  t.true(CONTENT.equals(await read(`${url}/v2/files/${HASH}/content`)));
});

test('what does not fit what was announced is refused, and nothing of it is kept', async (t) => {
  const { send, store } = await startApi(t);
  const cases: readonly (readonly [string, string, number, RegExp])[] = [
    ['/v2/files', 'x', 400, /"name"/],
    ['/v2/files?name=a%2Fb', 'x', 400, /letters, digits/],
    ['/v2/files?name=.hidden', 'x', 400, /dot at the beginning/],
    ['/v2/files?name=a,b.jar', 'x', 400, /letters, digits/],
    ['/v2/files?name=a&sha256=nope', 'x', 400, /64 hexadecimal/],
    ['/v2/files?name=a&offset=1', 'x', 400, /need sha256/],
    [`/v2/files?name=a&sha256=${HASH}`, 'x', 400, /not what was announced/],
    [`/v2/files?name=a&sha256=${HASH}&size=1`, 'xy', 400, /not what was announced/],
    ['/v2/files?name=a&nope=1', 'x', 400, /nope/],
  ];
  for (const [path, body, status, text] of cases) {
    const reply = await send('POST', path, body);
    t.is(reply.status, status, path);
    t.regex(reply.body.faultstring, text, path);
  }
  for (const table of ['job_files', 'job_file_uploads', 'job_file_chunks'])
    t.deepEqual(await store.reader(table).select('*'), [], table);
});

test('a project has a quota, a file a largest size; what is over leaves no file', async (t) => {
  const { send, store, url } = await startApi(t, { fileLimits: { quota: 10, largest: 8 } });
  t.is((await send('POST', '/v2/files?name=a', '123456')).status, 201);
  const over = await send('POST', '/v2/files?name=b', '12345');
  t.is(over.status, 403);
  t.regex(over.body.faultstring, /files.quota_mb/);
  t.regex((await send('POST', '/v2/files?name=c', '123456789')).body.faultstring, /files.largest_mb/);
  // Without a length in advance the pieces are counted.
  const streamed = new Blob(['12345']).stream();
  const counted = await fetch(`${url}/v2/files?name=e`, {
    method: 'POST',
    body: streamed,
    duplex: 'half',
  } as RequestInit);
  t.is(counted.status, 403);
  t.is((await send('POST', '/v2/files?name=d', '1234')).status, 201);
  t.is((await store.reader('job_files').select('id')).length, 2);
  t.deepEqual(await store.reader('job_file_uploads').select('id'), []);
});

test('projects do not see, use or delete the files of each other; a link is for whoever has it', async (t) => {
  const { send, url, store } = await startApi(t, { settings: { authMode: 'token' } });
  const as: Record<string, Record<string, string>> = {};
  for (const name of ['a', 'b']) {
    as[name] = { 'X-Auth-Token': name };
    await addToken(store.writer, {
      token: name,
      projectId: name.repeat(32),
      userId: name,
      roles: ['member'],
      expiresAt: null,
    });
  }
  t.is((await send('POST', '/v2/files?name=x.py', 'print()')).status, 401);
  const { body } = await send('POST', '/v2/files?name=x.py', 'print()', as['a']);
  t.deepEqual((await send('GET', '/v2/files', undefined, as['b'])).body.files, []);
  for (const path of [body.id, body.sha256, `${body.sha256}/content`])
    t.is((await send('GET', `/v2/files/${path}`, undefined, as['b'])).status, 404, path);
  t.is((await send('DELETE', `/v2/files/${body.sha256}`, undefined, as['b'])).status, 404);
  const hers = await send('POST', `/v2/files?name=y.py&sha256=${body.sha256}`, '', as['b']);
  t.is(hers.status, 400, 'knowing the hash is not having the content');
  const { link_key: key } = await store.reader('job_files').first('link_key');
  t.is(String(await read(`${url}/file_links/${key}/x.py`)), 'print()');
  t.is((await fetch(`${url}/file_links/${key}x/x.py`)).status, 404);
  t.is((await send('DELETE', `/v2/files/${body.sha256}`, undefined, as['a'])).status, 204);
  t.is((await fetch(`${url}/file_links/${key}/x.py`)).status, 404);
});

test('a full disk is told, and the upload goes on once there is room', async (t) => {
  const { send, store } = await startApi(t);
  const path = `/v2/files?name=job.jar&sha256=${HASH}&size=${CONTENT.length}`;
  const [{ page_count: pages }] = await store.writer.raw('pragma page_count');
  await store.writer.raw(`pragma max_page_count = ${pages + 200}`);
  const full = await send('POST', path, CONTENT);
  t.is(full.status, 503, JSON.stringify(full.body));
  t.regex(full.body.faultstring, /disk is full/);
  const { body } = await send('POST', path, '');
  t.is(body.received, 512 * 1024);
  await store.writer.raw('pragma max_page_count = 1000000');
  const rest = await send('POST', `${path}&offset=${body.received}`, CONTENT.subarray(body.received));
  t.like(rest.body, { sha256: HASH, size: CONTENT.length });
});

test('abandoned uploads, files that nothing wants and pieces that a crash left go', async (t) => {
  const { send, store } = await startApi(t);
  const now = Date.now();
  await send('POST', `/v2/files?name=a&sha256=${HASH}&size=${CONTENT.length}`, 'half');
  await send('POST', '/v2/files?name=b', 'old');
  await send('POST', '/v2/files?name=c', 'young');
  await store
    .writer('job_files')
    .where('name', 'b')
    .update({ used_at: now - 40 * DAY });
  await store.writer('job_file_chunks').insert({ file_id: 'gone', seq: 0, body: Buffer.from('x') });
  t.is(await sweepJobFiles(store.writer, now - DAY, null), 0);
  t.is((await store.reader('job_file_chunks').select('file_id')).length, 3, 'the piece of no file is gone');
  t.is(await sweepJobFiles(store.writer, now + DAY, now - 30 * DAY), 2);
  t.deepEqual(await store.reader('job_files').select('name'), [{ name: 'c' }]);
  t.is((await store.reader('job_file_chunks').select('file_id')).length, 1);
});

test('a workflow runs an uploaded script, whatever the file was called when it was written', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tramontane-run-file-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const spark = await fakeSparkHome(folder);
  const { url } = await startNodeServer(t, { sparkHome: spark.home, dataFolder: join(folder, 'data') });
  const client = new RestClient(url);
  const script = `echo "::result {\\"ran\\": \\"$0\\"}"\n`;
  const upload = await fetch(`${url}/v2/files?name=job.sh`, { method: 'POST', body: script });
  const { uri } = (await upload.json()) as { uri: string };
  await client.createWorkflows(
    `version: '2.0'\nwf:\n  output: {ran: <% $.ran %>}\n  tasks:\n    run:\n      action: spark.submit\n      input: {application: '${uri}', poll_interval: 0.1}\n      publish: {ran: <% task().result.result.ran %>}\n`,
  );
  const { id } = await client.startExecution('wf', {});
  const ended = await waitForEnd(client, id, 60_000);
  t.is(ended.state, 'SUCCESS', ended.state_info ?? '');
  const [start] = await spark.starts();
  t.regex(start ?? '', new RegExp(`/data/files/${sha256(script)}/job\\.sh$`), 'spark-submit got the copy on this host');
});

test('the command line uploads, lists, downloads and deletes files', async (t) => {
  const { url } = await startApi(t);
  const folder = mkdtempSync(join(tmpdir(), 'tramontane-files-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const cli = (...args: string[]) => runCommandWith({ TRAMONTANE_URL: url }, args);
  const file = join(folder, 'job.jar');
  // More than one piece of the client.
  const content = Buffer.alloc(9_000_000, CONTENT);
  writeFileSync(file, content);
  const uploaded = await cli('file', 'upload', file, '--format', 'json');
  t.is(uploaded.code, 0, uploaded.err);
  const [{ uri, size }] = JSON.parse(uploaded.out);
  t.deepEqual([uri, size], [`sha256:${sha256(content)}/job.jar`, 9_000_000]);
  t.regex((await cli('file', 'list')).out, /job\.jar +9000000/);
  t.is((await cli('file', 'upload', file)).out, `${uri}\n`);
  t.regex((await cli('file', 'get', uri)).out, /9000000/);
  const copy = join(folder, 'copy.jar');
  t.like(await cli('file', 'download', uri, '--output', copy), { code: 0, err: `saved ${copy}\n` });
  t.true(content.equals(readFileSync(copy)));
  t.is((await cli('file', 'delete', uri)).code, 0);
  t.is((await cli('file', 'download', uri, '--output', join(folder, 'none'))).code, 1);
  t.false(existsSync(join(folder, 'none')));
  t.is((await cli('file', 'upload', join(folder, 'missing'))).code, 2);
});
