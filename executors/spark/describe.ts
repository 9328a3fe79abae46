import type { JsonObject } from '../../dsl/json.ts';
import { MASK } from '../../engine/secrets.ts';

/** What `command.json` shows: the whole command, without the secrets in it. */
export function describeCommand(
  actionExecutionId: string,
  argv: readonly string[],
  conf: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
  folder: string,
): JsonObject {
  const secretConf = new Set(
    Object.entries(conf).flatMap(([key, value]) => (SECRET.test(key) ? [`${key}=${value}`] : [])),
  );
  return {
    action_execution_id: actionExecutionId,
    argv: argv.map((arg, at) => {
      if (secretConf.has(arg)) return `${arg.slice(0, arg.indexOf('='))}=${MASK}`;
      // Arguments of the program: `--password x` and `--password=x`.
      if (OPTION.test(argv[at - 1] ?? '') && SECRET.test(argv[at - 1] ?? '')) return MASK;
      const option = /^(--?[\w.-]+)=/.exec(arg)?.[1];
      return option !== undefined && SECRET.test(option) ? `${option}=${MASK}` : arg;
    }),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, SECRET.test(name) ? MASK : value])),
    working_dir: folder,
  };
}

const OPTION = /^--?[\w.-]+$/;
const SECRET = /secret|password|passwd|token|credential|private|access[._-]?key|api[._-]?key/i;
