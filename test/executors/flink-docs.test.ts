import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parseWorkflows, validate } from '../../dsl/index.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { Problems } from '../../dsl/problems.ts';
import { callCheck } from '../../api/call-check.ts';
import { fakeCommand } from '../../api/commands/fake.ts';
import type { Terminal } from '../../api/terminal.ts';
import { flinkTables, MARK } from '../../executors/docs/flink-client.ts';
import { documentedPages } from '../../executors/docs/pages.ts';
import { FlinkClient } from '../../executors/flink/client/index.ts';
import { createCatalogue } from '../../executors/index.ts';
import { deferred } from '../../executors/deferred.ts';
import { projectRoot } from '../helpers/project.ts';

const catalogue = createCatalogue();
const again = 'run: npm run build && node scripts/action-docs.mjs';

test('the pages of actions are what their declarations say', async (t) => {
  const folder = join(projectRoot, 'docs/actions');
  const pages = documentedPages(catalogue.list());
  t.deepEqual((await readdir(folder)).sort(), pages.map(({ file }) => file).sort(), again);
  for (const { file, text } of pages) t.is(await readFile(join(folder, file), 'utf8'), text, `${file}: ${again}`);
  const client = await readFile(join(projectRoot, 'docs/flink-client.md'), 'utf8');
  t.is(client.slice(client.indexOf(MARK) + MARK.length), flinkTables(), again);
});

test('the examples of the actions and of the guide pass the checks of an upload', async (t) => {
  const check = { checkCall: callCheck(catalogue, 'strict') };
  for (const { name, examples } of catalogue.list().filter((action) => !action.name.startsWith('std.'))) {
    t.true(examples.length > 0, name);
    for (const { yaml } of examples) {
      const indented = yaml.replace(/^/gm, '    ');
      const text = `version: '2.0'\nwf:\n  tasks:\n${indented}`;
      t.deepEqual(
        validate('workflow', text, check).filter(({ severity }) => severity === 'error'),
        [],
        `${name}\n${text}`,
      );
    }
  }
  for (const page of ['docs/flink.md', 'docs/clusters.md']) {
    const guide = await readFile(join(projectRoot, page), 'utf8');
    const [workflow = ''] = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');
    t.deepEqual(validate('workflow', workflow, check), [], page);
    t.is(parseWorkflows(workflow).specs.length, 1);
    const links = [...guide.matchAll(/\]\(([\w./-]+\.md)\)/g)].map(([, link]) => link ?? '');
    for (const link of links) await t.notThrowsAsync(readFile(join(projectRoot, 'docs', link)), link);
  }
  const connections = await readFile(join(projectRoot, 'docs/connections.md'), 'utf8');
  const [yaml = ''] = [...connections.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');
  t.is(readYaml(yaml, new Problems()).value === undefined, false);
});

test('tramontane fake flink serves what the client asks for, until it is stopped', async (t) => {
  const stop = deferred<NodeJS.Signals>();
  const line = deferred<string>();
  const terminal: Terminal = {
    environment: {},
    isInteractive: false,
    columns: 80,
    out: (text) => line.resolve(text),
    err: () => {},
    stopped: stop.promise,
  };
  const options = { port: '0', flinkVersion: '1.20.5', jobSeconds: '0.05', submit: true };
  const running = fakeCommand('flink', options, terminal);
  const url = /http:\S+/.exec(await line.promise)?.[0] ?? '';
  const client = new FlinkClient({ url, strict: true });
  t.is((await client.version()).raw, '1.20.5');
  t.deepEqual(await client.sql.apiVersions(), ['V1', 'V2', 'V3', 'V4']);
  stop.resolve('SIGTERM');
  t.is(await running, 0);
  await t.throwsAsync(client.jobs.all());
  await t.throwsAsync(fakeCommand('flinc', options, terminal), { message: /there are: flink, livy/ });
  await t.throwsAsync(fakeCommand('flink', { ...options, flinkVersion: 'new' }, terminal), {
    message: /is no version/,
  });
});
