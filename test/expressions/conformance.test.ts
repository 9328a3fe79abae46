import { join } from 'node:path';
import test from 'ava';
import { type ExpressionSuite, runExpressionSuite } from '../conformance/expressions.ts';
import { projectRoot } from '../helpers/project.ts';

const SUITES: readonly ExpressionSuite[] = ['yaql', 'jinja', 'interpolation'];

for (const suite of SUITES) {
  test(`Recorded ${suite} cases give the reference's values, errors and messages.`, async (t) => {
    const { passed, failures } = await runExpressionSuite(suite, join(projectRoot, 'test/conformance/cases', suite));
    t.true(passed > 0);
    t.deepEqual(
      failures.map(({ id, expression, why }) => `${id}: ${JSON.stringify(expression)}: ${why}`),
      [],
    );
  });
}
