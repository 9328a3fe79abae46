import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Action } from '../action.ts';
import { createEgressPolicy, type EgressPolicy } from '../egress.ts';
import { DEFAULT_SCRIPT_LIMITS, ScriptRunner, type ScriptLimits } from '../javascript/script-runner.ts';
import { asyncNoop } from './async-noop.ts';
import { echo } from './echo.ts';
import { createEmail } from './email.ts';
import { fail } from './fail.ts';
import { http, mistralHttp } from './http.ts';
import { createJavaScriptActions } from './javascript.ts';
import { noop } from './noop.ts';
import { sleepAction } from './sleep.ts';
import { createSshActions } from './ssh.ts';
import { testDict } from './test-dict.ts';

/** What the actions need of their executor; the defaults are the strictest. */
export interface StdOptions {
  /** For SSH and e-mail; HTTP has clients of its own. */
  readonly egress: EgressPolicy | null;
  /** For `std.javascript`. */
  readonly scripts: ScriptLimits;
  /** Where names of key files without a folder lie. */
  readonly sshKeyFolder: string;
  /** Whether `proxy_command` may start programs on this machine. */
  readonly sshProxyCommand: boolean;
}

/** Mistral's own actions (spec/engine.md §27). */
export function stdPack(
  given: Partial<StdOptions> = {},
  scripts: ScriptRunner = new ScriptRunner(given.scripts ?? DEFAULT_SCRIPT_LIMITS),
): readonly Action[] {
  const { egress, sshKeyFolder, sshProxyCommand } = { ...strictest(), ...given };
  return [
    noop,
    asyncNoop,
    echo,
    fail,
    sleepAction,
    testDict,
    http,
    mistralHttp,
    createEmail(egress),
    ...createSshActions({ egress, keyFolder: sshKeyFolder, allowProxyCommand: sshProxyCommand }),
    ...createJavaScriptActions(scripts),
  ];
}

function strictest(): StdOptions {
  return {
    egress: createEgressPolicy({ allowLoopback: false }),
    scripts: DEFAULT_SCRIPT_LIMITS,
    sshKeyFolder: join(homedir(), '.ssh'),
    sshProxyCommand: false,
  };
}
