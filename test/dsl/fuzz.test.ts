import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { documentKind } from '../../api/commands/document-kind.ts';
import { graphData } from '../../dsl/graph-data.ts';
import { type DocumentKind, parseWorkflows, validate } from '../../dsl/index.ts';
import { isJsonObject } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { readYaml, writeYaml } from '../../dsl/yaml.ts';
import { startApi } from '../helpers/api.ts';
import { projectRoot } from '../helpers/project.ts';
import { changedText, changedTrees } from './mutations.ts';
import { freshSeed, randomRuns } from '../helpers/random-runs.ts';

const SOUND = [...textsIn('test/conformance/cases/workflows'), ...textsIn('examples'), ...textsIn('test/dsl/broken')];
const KINDS: readonly DocumentKind[] = ['workbook', 'workflow', 'action'];
/** Far more than any of these texts takes, far less than something that grows without bound. */
const MOST_MILLISECONDS = 2000;

test('texts with characters and lines changed are judged at once, and every fault has a place', (t) => {
  t.true(SOUND.length > 200);
  let faulty = 0;
  fc.assert(
    fc.property(fc.constantFrom(...SOUND), fc.infiniteStream(fc.nat()), (text, chance) => {
      const changed = changedText(text, chance);
      if (judge(changed, documentKind(changed))) faulty++;
    }),
    { numRuns: randomRuns(160), seed: freshSeed(), includeErrorInReport: true },
  );
  t.true(faulty > randomRuns(40));
});

test('texts with values changed are judged at once, and what is accepted can be drawn', (t) => {
  let faulty = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...SOUND),
      fc.constantFrom(...KINDS),
      fc.infiniteStream(fc.nat()),
      (text, kind, chance) => {
        const { value } = readYaml(text, new Problems());
        if (isJsonObject(value) && judge(writeYaml(changedTrees(value, chance)), kind)) faulty++;
      },
    ),
    { numRuns: randomRuns(120), seed: freshSeed(), includeErrorInReport: true },
  );
  t.true(faulty > randomRuns(40));
});

const COLLECTIONS = { workflow: 'workflows', workbook: 'workbooks', action: 'actions' } as const;
const REQUESTS = [
  ['POST', '', ''],
  ['POST', '', '?skip_validation=true'],
  ['POST', '', '?namespace=n'],
  ['PUT', '', ''],
  ['PUT', '', ''],
  ['PUT', '', '?skip_validation=true'],
  ['POST', '/validate', ''],
  ['POST', '/validate', '?problems=true'],
] as const;
const EXPECTED = [200, 201, 400, 403, 404, 409];

test('uploads, updates and validations of changed texts never answer with a 5xx, and refusals have a reason', async (t) => {
  const { send } = await startApi(t);
  const sendText = (method: 'POST' | 'PUT', route: string, text: string) =>
    send(method, `/v2/${route}`, text, { 'Content-Type': 'text/plain' });
  const answers = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SOUND),
      fc.constantFrom(...REQUESTS),
      fc.option(fc.constantFrom(...KINDS), { freq: 3 }),
      fc.boolean(),
      fc.infiniteStream(fc.nat()),
      async (text, [method, route, query], otherKind, byValue, chance) => {
        const collection = COLLECTIONS[otherKind ?? documentKind(text)];
        // Something is there to update.
        if (method === 'PUT') await sendText('POST', collection, text);
        const { value } = readYaml(text, new Problems());
        const changed =
          byValue && isJsonObject(value) ? writeYaml(changedTrees(value, chance)) : changedText(text, chance);
        const { status, body } = await sendText(method, collection + route + query, changed);
        const answer = `${method} ${status}`;
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        if (!EXPECTED.includes(status)) throw new Error(`${status}: ${JSON.stringify(body)}`);
        if (status >= 400 && typeof body.faultstring !== 'string') throw new Error('a refusal without a reason');
      },
    ),
    { numRuns: randomRuns(80), seed: freshSeed(), endOnFailure: true, includeErrorInReport: true, timeout: 60_000 },
  );
  t.true(
    ['POST 200', 'POST 400', 'PUT 400'].every((answer) => answers.has(answer)),
    [...answers].join(' '),
  );
});

/** Of this process, not of the clock: other work on the machine does not count. */
const milliseconds = (): number => process.cpuUsage().user / 1000;

/** Whether the text has errors. */
function judge(text: string, kind: DocumentKind): boolean {
  const startedAt = milliseconds();
  const problems = validate(kind, text);
  const isFaulty = problems.some(({ severity }) => severity === 'error');
  const lines = text.split('\n').length;
  for (const { line, column, message } of problems) {
    if (!(line >= 1 && line <= lines && column >= 1 && message !== '')) {
      throw new Error(`a problem at ${line}:${column} of ${lines} lines: ${message}\n${text}`);
    }
  }
  if (!isFaulty && kind === 'workflow') for (const spec of parseWorkflows(text).specs) graphData(spec);
  const took = milliseconds() - startedAt;
  if (took > MOST_MILLISECONDS) throw new Error(`took ${took} ms`);
  return isFaulty;
}

function textsIn(folder: string): string[] {
  const root = path.join(projectRoot, folder);
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.yaml') && existsSync(path.join(entry.parentPath, entry.name)),
    )
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'));
}
