import { actionNameOf, ENDPOINT_NAMES, ENDPOINTS, OTHER_ROUTES } from '../flink/client/endpoints.ts';
import type { Endpoint } from '../flink/client/endpoint.ts';

/** Where the tables of docs/flink-client.md begin. */
export const MARK = '<!-- From here on made by scripts/action-docs.mjs. -->\n\n';

/** The tables of docs/flink-client.md: every route with its method and its action, from the table of endpoints. */
export function flinkTables(): string {
  const rows = ENDPOINT_NAMES.map((name) => [name, ENDPOINTS[name] as Endpoint] as const);
  const table = (head: string, lines: readonly string[]) => `${head}\n${lines.join('\n')}\n`;
  const python = rows
    .filter(([, row]) => row.python !== undefined)
    .map(
      ([name, row]) => `| \`${row.python}\` | ${row.method} ${row.path} | \`${name}\` | \`${actionNameOf(name)}\` |`,
    );
  const others = rows
    .filter(([, row]) => row.python === undefined)
    .map(([name, row]) => {
      const action = row.noAction === undefined ? `\`${actionNameOf(name)}\`` : `none: ${row.noAction}`;
      return `| ${row.method} ${row.path} | ${row.since ?? '1.12 or before'} | \`${name}\` | ${action} |`;
    });
  const uncalled = OTHER_ROUTES.map(({ method, path, why }) => `| ${method} ${path} | ${why} |`);
  return [
    '## Routes that flink-rest-client has',
    table('| Python | Route | Method | Action |\n|---|---|---|---|', python),
    '## All other routes',
    table('| Route | Since | Method | Action |\n|---|---|---|---|', others),
    '## Routes that nobody calls',
    table('| Route | Why |\n|---|---|', uncalled),
  ].join('\n\n');
}
