import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test from 'ava';
import { missingPrerequisites } from './demo/prerequisites.ts';
import { runCommandLine } from './helpers/command-line.ts';
import { freePort } from './helpers/free-port.ts';
import { run } from './helpers/processes.ts';
import { projectRoot, tramontaneBin } from './helpers/project.ts';

// The README's blocks as a reader would type them. `npm ci`, `npm run demo` and `npm test` are phases of `.ci/run`.

const readme = await readFile(join(projectRoot, 'README.md'), 'utf8');
const folder = await mkdtemp(join(tmpdir(), 'tramontane-readme-'));
test.after.always(() => rm(folder, { recursive: true, force: true }));

test('the workflow that the README shows is valid, without a warning', async (t) => {
  const [workflow = ''] = blocks('yaml');
  const file = join(folder, 'workflow.yaml');
  await writeFile(file, workflow);
  t.deepEqual(await runCommandLine('validate', file), { code: 0, out: '', err: '' });
});

test('what the README says to type is what works', async (t) => {
  t.timeout(120_000);
  const port = await freePort();
  const place = await prepare(join(folder, 'reader'));
  const typed = blocks('sh').map((block) => block.replaceAll('8989', String(port)));
  t.deepEqual(
    typed.map((block) => block.split('\n')[0]?.split(' ').slice(0, 3).join(' ')),
    ['npm ci', 'npx tramontane run', 'npx tramontane serve'],
    'a block of another kind needs a test here',
  );
  // The server is for ever: it runs beside the lines after it, which wait until it answers as the reader does.
  const isServe = / serve /;
  const oneByOne = (typed[1] ?? '').split('\n').filter((line) => line !== '' && !isServe.test(line));
  for (const line of oneByOne) {
    const { code, stdout, stderr } = await run('bash', ['-c', line], place);
    t.is(code, 0, `${line}\n${stdout}${stderr}`);
  }
  const [serve = '', ...calls] = (typed[2] ?? '').split('\n');
  const script = [
    'set -eu -o pipefail',
    `${serve.replace(/&$/, '>serve.log 2>&1 &')}`,
    'trap "kill $!; wait" EXIT',
    `for i in $(seq 300); do ! curl -s -o probe http://127.0.0.1:${port}/healthz || break; sleep 0.2; done`,
    ...calls.map((line) => line.replace('curl -s', 'curl -sS --fail-with-body')),
    `curl -sS --fail-with-body http://127.0.0.1:${port}/docs -o docs.html`,
    `curl -sS --fail-with-body http://127.0.0.1:${port}/openapi.json -o openapi.json`,
  ];
  const { code, stdout, stderr } = await run('bash', ['-c', script.join('\n')], place);
  t.is(code, 0, stdout + stderr);
  const answers = stdout.split('\n').filter((line) => line.startsWith('{'));
  t.regex(answers[0] ?? stdout, /"name": ?"check_orders"/);
  t.regex(answers[1] ?? stdout, /"workflow_name": ?"check_orders"/);
  t.regex(answers[2] ?? stdout, /"executions": ?\[\{/);
});

test('every link of the README and of the pages it names leads to something', async (t) => {
  const pages = ['README.md', ...linksOf(readme).filter((link) => link.endsWith('.md'))];
  const missing: string[] = [];
  for (const page of pages) {
    const text = await readFile(join(projectRoot, page), 'utf8');
    for (const link of linksOf(text)) {
      const target = join(projectRoot, page, '..', link);
      const found = await readFile(target).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code === 'EISDIR',
      );
      if (!found) missing.push(`${page}: ${link}`);
    }
  }
  t.deepEqual(missing, []);
  t.true(pages.length > 10, `${pages.length} pages`);
});

test('the demo says what the machine lacks, and how to get it', async (t) => {
  const empty = join(folder, 'empty');
  await mkdir(empty);
  const nothing = await missingPrerequisites({ PATH: empty, SPARK_HOME: '/opt/spark' });
  t.deepEqual(
    nothing.map((sentence) => sentence.split(' ', 2).join(' ')),
    ['bash is', 'Python 3', 'javac is', 'Maven is'],
  );
  const old = join(folder, 'old');
  await mkdir(old);
  const programs = { bash: 'exit 0', python3: 'echo False', javac: 'echo javac 11.0.2 >&2', mvn: 'exit 0' };
  for (const [name, line] of Object.entries(programs)) await program(join(old, name), line);
  const late = await missingPrerequisites({ PATH: old });
  t.is(late.length, 2, late.join('\n'));
  t.regex(late[0] ?? '', /^Python is too old/);
  t.regex(late[1] ?? '', /^Java 11 is too old: .*apt-get install/);
  const [wrong = ''] = await missingPrerequisites({ PATH: process.env.PATH, SPARK_HOME: '/opt', FLINK_HOME: empty });
  t.is(wrong, `FLINK_HOME is ${empty}, which has no folder lib.`);
});

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
}

/** Links to files, without their fragments. */
function linksOf(text: string): string[] {
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link.replace(/#.*/, ''));
  return links.filter((link) => link !== '' && !/^[a-z]+:/.test(link));
}

/** A folder as the README assumes it: the examples, files of the reader, and `npx tramontane`. */
async function prepare(cwd: string) {
  await mkdir(join(cwd, 'bin'), { recursive: true });
  await mkdir(join(cwd, 'workflows'));
  await symlink(join(projectRoot, 'examples'), join(cwd, 'examples'));
  await cp(join(projectRoot, 'examples/fan-out-join/workflow.yaml'), join(cwd, 'workflows/orders.yaml'));
  await writeFile(
    join(cwd, 'workbook.yaml'),
    `version: '2.0'
name: reports
workflows:
  nightly:
    input: [day]
    output: {of: <% $.day %>}
    tasks:
      look:
        action: std.noop
`,
  );
  await program(join(cwd, 'bin/npx'), `shift\nexec '${process.execPath}' '${tramontaneBin}' "$@"`);
  const { CI: _ci, ...env } = process.env;
  return { cwd, env: { ...env, PATH: `${join(cwd, 'bin')}${delimiter}${process.env.PATH ?? ''}` } };
}

async function program(file: string, text: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
}
