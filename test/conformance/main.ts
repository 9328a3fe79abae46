import { parseArgs } from 'node:util';
import { casesFolder } from './cases-folder.ts';
import { CLIENT_SUITES, type ClientSuite, runClientSuite } from './client-suites.ts';
import type { SuiteCounts } from './counts.ts';
import { type ExpressionSuite, type Level, runExpressionSuite } from './expressions.ts';
import { runServerSuite, SERVER_SUITES, type ServerSuite } from './server-suites.ts';
import { KINDS, type ServerKind } from './temporary-server.ts';

const EXPRESSION_SUITES = ['yaql', 'jinja', 'interpolation'] as const satisfies readonly ExpressionSuite[];

const LEVELS: readonly Level[] = [1, 2, 3];

const SUITES = [...EXPRESSION_SUITES, ...SERVER_SUITES, ...CLIENT_SUITES];

const HELP = `Plays recorded cases of the reference against this build and counts.

  npm run conformance -- SUITE [--cases DIR] [--url URL] [--server KIND] [--nodes N] [--only PATTERN]... [--jobs N] [--slice] [--level 1|2|3]

  SUITE      ${SUITES.join(', ')}
  --cases    folder of the cases; default: those in test/conformance/cases
  --url      a running server (not for expressions); default: those that are needed are started on fresh databases
  --server   rest with --url: what the server is, ${KINDS.join(', ')}; default open
  --nodes    workflows, rest without --url: so many servers share a PostgreSQL and a Redis of their own, and each connection goes to
             the next one; default 1, on SQLite
  --only     workflows, rest: cases whose name fits a shell pattern (workflows: or whose topic is this word)
  --jobs     workflows, rest: cases at the same time, default 4
  --slice    workflows, rest: without what test/conformance/slice.json puts off
  --level    yaql, jinja, interpolation: what is compared, each with the ones before: 1 values and that something fails, 2 the
             class of the error, 3 its message; default 3
  --verbose  every difference of a failing case; with expressions, the expression

Cases of test/conformance/deviations.json that fail count as skipped. The last line is: N passed, N failed[, N skipped]`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cases: { type: 'string' },
      url: { type: 'string' },
      server: { type: 'string' },
      nodes: { type: 'string', default: '1' },
      only: { type: 'string', multiple: true, default: [] },
      jobs: { type: 'string', default: '4' },
      slice: { type: 'boolean', default: false },
      level: { type: 'string', default: '3' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [suite] = positionals;
  const level = LEVELS.find((known) => String(known) === values.level);
  const kind = KINDS.find((known) => known === values.server);
  const isUnknown = values.server !== undefined && kind === undefined;
  if (suite === undefined || positionals.length > 1 || level === undefined || isUnknown) {
    console.error(HELP);
    return 2;
  }
  const counts = await runSuite(suite, { ...values, level, kind });
  if (counts === null) {
    console.error(`Unknown suite '${suite}': the suites are ${SUITES.join(', ')}`);
    return 2;
  }
  console.log(
    `${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`,
  );
  return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}

interface Options {
  readonly cases?: string | undefined;
  readonly url?: string | undefined;
  readonly kind: ServerKind | undefined;
  readonly only: readonly string[];
  readonly nodes: string;
  readonly jobs: string;
  readonly slice: boolean;
  readonly level: Level;
  readonly verbose: boolean;
}

async function runSuite(suite: string, options: Options): Promise<SuiteCounts | null> {
  if (isServerSuite(suite))
    return runServerSuite(suite, { ...options, jobs: Number(options.jobs), nodes: Number(options.nodes) });
  if (isClientSuite(suite)) return runClientSuite(suite, options.url);
  if (isExpressionSuite(suite)) return playExpressions(suite, options);
  return null;
}

/** Needs no server: the expressions are evaluated in this process. */
async function playExpressions(suite: ExpressionSuite, options: Options): Promise<SuiteCounts> {
  const counts = await runExpressionSuite(suite, casesFolder(suite, options.cases), options.level);
  for (const { id, why, expression } of counts.failures) {
    console.log(`FAIL ${id}: ${why}${options.verbose ? `\n    ${JSON.stringify(expression)}` : ''}`);
  }
  return counts;
}

function isExpressionSuite(name: string): name is ExpressionSuite {
  return (EXPRESSION_SUITES as readonly string[]).includes(name);
}

function isClientSuite(name: string): name is ClientSuite {
  return (CLIENT_SUITES as readonly string[]).includes(name);
}

function isServerSuite(name: string): name is ServerSuite {
  return (SERVER_SUITES as readonly string[]).includes(name);
}

process.exitCode = await main();
