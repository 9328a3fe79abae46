import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { DslError } from '../../dsl/errors.ts';
import { formatYaml } from '../../dsl/format.ts';
import { jsonEquals } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { runCommandLine } from '../helpers/command-line.ts';
import { projectRoot } from '../helpers/project.ts';
import { changedText } from './mutations.ts';
import { randomRuns } from '../helpers/random-runs.ts';

const UNTIDY = `

# a workbook
version:   '2.0'
wf:
    # about tasks
    tasks:


        a:
            action:   std.echo   # say it
            input:
              output: |
                  literal
                    text  

                  end
            on-success:
            - b
            # last
            -   c:  <% $.x %>
        # between
        b: {action: std.noop,
            publish: {x: 1}}
        c:
          description: >-
            folded
            text
          publish: { "q":   'it''s',
             more: [1,   2] }
          tags:
             -   x
             -
               y
        # at the end
  
`;

const TIDY = `# a workbook
version: '2.0'
wf:
  # about tasks
  tasks:

    a:
      action: std.echo   # say it
      input:
        output: |
            literal
              text  

            end
      on-success:
        - b
        # last
        - c: <% $.x %>
    # between
    b: {action: std.noop,
        publish: {x: 1}}
    c:
      description: >-
        folded
        text
      publish: { "q":   'it''s',
         more: [1,   2] }
      tags:
        - x
        -
          y
    # at the end
`;

test('indentation, blanks and empty lines are put in order; comments and texts stay', (t) => {
  t.is(formatYaml(UNTIDY), TIDY);
  t.is(formatYaml(TIDY), TIDY);
  t.is(formatYaml(TIDY.replaceAll('\n', '\r\n')), TIDY);
});

test('every definition of this project keeps its meaning and its comments, and formatting twice is formatting once', (t) => {
  let changed = 0;
  const spread = texts().map((text) => text.replaceAll(/^ +/gm, (blanks) => blanks.repeat(2)));
  for (const text of [...texts(), ...spread]) {
    const formatted = formatOrNull(text);
    if (formatted === null) continue;
    t.true(jsonEquals(valueOf(formatted) ?? null, valueOf(text) ?? null), text);
    t.is(formatYaml(formatted), formatted);
    t.deepEqual(comments(formatted), comments(text));
    if (formatted !== text) changed++;
  }
  t.true(changed > 200);
});

test('texts changed by chance keep their meaning, and formatting twice is formatting once', (t) => {
  const all = texts().filter((text) => text.length < 5000);
  let formatted = 0;
  const wrong: string[] = [];
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.infiniteStream(fc.nat()), (text, chance) => {
      const changed = changedText(text, chance);
      const once = formatOrNull(changed);
      if (once === null) return;
      formatted++;
      if (!jsonEquals(valueOf(once) ?? null, valueOf(changed) ?? null)) wrong.push(`meaning: ${changed}`);
      if (formatYaml(once) !== once) wrong.push(`twice: ${changed}`);
    }),
    { numRuns: randomRuns(160), seed: 17, includeErrorInReport: true },
  );
  t.deepEqual(wrong, []);
  t.true(formatted > randomRuns(40));
});

test('tramontane fmt writes files, --check only names them, and a broken file is told with its place', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tramontane-fmt-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'a.yaml');
  writeFileSync(file, UNTIDY);
  t.deepEqual(await runCommandLine('fmt', '--check', file), { code: 1, out: `${file}\n`, err: '' });
  t.is(readFileSync(file, 'utf8'), UNTIDY);
  t.deepEqual(await runCommandLine('fmt', file), { code: 0, out: `${file}\n`, err: '' });
  t.is(readFileSync(file, 'utf8'), TIDY);
  t.deepEqual(await runCommandLine('fmt', '--check', file), { code: 0, out: '', err: '' });
  writeFileSync(file, 'a: {b');
  const broken = await runCommandLine('fmt', file);
  t.is(broken.code, 2);
  t.true(broken.err.startsWith(`${file}:1:`));
});

test('our own examples are formatted', async (t) => {
  const root = path.join(projectRoot, 'examples');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
  t.deepEqual(await runCommandLine('fmt', '--check', ...files.map((file) => path.join(root, file))), {
    code: 0,
    out: '',
    err: '',
  });
});

/** Null for a text that is no YAML. */
function formatOrNull(text: string): string | null {
  try {
    return formatYaml(text);
  } catch (error) {
    if (error instanceof DslError) return null;
    throw error;
  }
}

function valueOf(text: string) {
  return readYaml(text, new Problems()).value;
}

function comments(text: string): string[] {
  return text.split(/\r?\n/).flatMap((line) => /(?:^|\s)(#.*)$/.exec(line)?.[1]?.trimEnd() ?? []);
}

function texts(): string[] {
  return ['test/conformance/cases/workflows', 'examples', 'test/dsl/broken'].flatMap((folder) => {
    const root = path.join(projectRoot, folder);
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => readFileSync(path.join(root, file), 'utf8'));
  });
}
