import test from 'ava';
import { callCheck } from '../../api/call-check.ts';
import { validate } from '../../dsl/index.ts';
import { createCatalogue } from '../../executors/index.ts';

const TEXT = `version: '2.0'
calls:
  tasks:
    a:
      action: std.echo outptu=1
    b:
      action: spark.submit applicaton="x.py"
    c:
      action: spark.submit master="local[1]"
`;

function lines(mode: 'strict' | 'upload'): string[] {
  const checkCall = callCheck(createCatalogue(), mode);
  return validate('workflow', TEXT, { checkCall }).map(
    ({ severity, line, column, message, hint }) => `${severity} ${line}:${column} ${message}; ${hint?.split(':')[0]}`,
  );
}

test('a person who checks a file hears of every wrong parameter as an error, of one that is nowhere as a warning', (t) => {
  t.deepEqual(lines('strict'), [
    "error 5:24 Unknown parameter 'outptu'; did you mean 'output'?",
    "error 7:28 Unknown parameter 'applicaton'; did you mean 'application'?",
    "warning 8:5 Missing parameter 'application'; application",
  ]);
});

test('an upload takes what the reference takes: faults in calls of std actions are warnings', (t) => {
  t.deepEqual(
    lines('upload').filter((line) => line.startsWith('error')),
    ["error 7:28 Unknown parameter 'applicaton'; did you mean 'application'?"],
  );
});
