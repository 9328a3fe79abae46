import test from 'ava';
import { YaqlError } from '../../dsl/yaql/index.ts';
import { describe, describeRecorded, evaluateCase, loadGroups, typeOfNumber, type Case } from './cases.ts';

const groups = loadGroups('test/conformance/cases/yaql');
/** The functions of these cases are Mistral's, not the language's: tested with the expression layer. */
groups.delete('mistral');

test('the recordings are there', (t) => {
  t.true([...groups.values()].flat().length > 2000);
});

for (const [group, cases] of groups) {
  test(`gives the reference's values, types, error classes and messages in group ${group}`, (t) => {
    const failures = cases.map((one) => [one.expression, ...compare(one)]).filter(([, got, wanted]) => got !== wanted);
    t.deepEqual(failures, []);
  });
}

function compare(one: Case): [got: string, wanted: string] {
  return [outcome(one), wantedOutcome(one)];
}

function wantedOutcome(one: Case): string {
  if (one.error !== undefined) return one.message === undefined ? one.error : `${one.error}: ${one.message}`;
  return `${one.resultType ?? ''} ${describeRecorded(one.result ?? null)}`;
}

function outcome(one: Case): string {
  try {
    const value = evaluateCase(one);
    return `${one.resultType === undefined ? '' : typeOfNumber(value)} ${describe(value)}`;
  } catch (error) {
    if (!(error instanceof YaqlError)) throw error;
    return one.message === undefined ? error.className : `${error.className}: ${error.message}`;
  }
}
