import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { type DocumentKind, validate } from '../../dsl/index.ts';
import { projectRoot } from '../helpers/project.ts';

// Every upload of the recorded cases: what the reference accepted or refused, and the words that its answers held. Uploads go
// without a server here, so only answers that the text alone decides are looked at: all of them are 201 or 400.
const CASES = path.join(projectRoot, 'test/conformance/cases/workflows');

interface Step {
  readonly upload?: DocumentKind;
  readonly validate?: DocumentKind;
  readonly file?: string;
  readonly says?: readonly string[];
}

interface Outcome {
  readonly step: string;
  readonly status?: number | string;
  readonly says?: Readonly<Record<string, boolean>>;
}

for (const name of readdirSync(CASES).filter((entry) => existsSync(path.join(CASES, entry, 'case.json')))) {
  const { steps, port } = read(name, 'case.json') as {
    steps: readonly Step[];
    port?: { expect?: Readonly<Record<string, Outcome>> };
  };
  const uploads = steps.flatMap((step, i) => {
    const kind = step.upload ?? step.validate;
    return kind === undefined || step.file === undefined ? [] : [{ kind, file: step.file, step, number: i + 1 }];
  });
  if (uploads.length === 0) continue;
  test(`the texts of case ${name} are accepted or refused as recorded`, (t) => {
    const recorded = (
      read(name, 'expected.json') as { recordings: readonly { observations: { steps?: readonly Outcome[] } }[] }
    ).recordings[0]?.observations.steps;
    for (const { kind, file, number } of uploads) {
      const key = `${number} upload`;
      const outcome = port?.expect?.[`steps[${key}]`] ?? recorded?.find(({ step }) => step === key);
      const refused = outcome?.status === '>=400' || Number(outcome?.status ?? 201) >= 400;
      const errors = validate(kind, readFileSync(path.join(CASES, name, file), 'utf8')).filter(
        ({ severity }) => severity === 'error',
      );
      t.is(errors.length > 0, refused, `${file}: ${JSON.stringify(errors)}`);
      const text = errors
        .map(({ message }) => message)
        .join('\n')
        .toLowerCase();
      for (const [words, isThere] of Object.entries(outcome?.says ?? {}))
        t.is(text.includes(words.toLowerCase()), isThere, `${file}: ${words}`);
    }
  });
}

function read(name: string, file: string): unknown {
  return JSON.parse(readFileSync(path.join(CASES, name, file), 'utf8'));
}
