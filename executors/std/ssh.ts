import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { Duplex } from 'node:stream';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ParameterSchema } from '../../engine/contract.ts';
import { failure, success, type ActionContext, type SyncAction } from '../action.ts';
import { connectTcp, parseAddress } from '../connect.ts';
import type { EgressPolicy } from '../egress.ts';
import { isTruthy, toText } from '../inputs.ts';
import { OutputTooLarge } from './output-too-large.ts';
import type { CommandResult, Login } from './ssh-session.ts';

export interface SshOptions {
  readonly egress: EgressPolicy | null;
  /** Where names of key files without a folder lie. */
  readonly keyFolder: string;
  /** Whether `proxy_command` may start programs on the executor's own machine. */
  readonly allowProxyCommand: boolean;
}

const SSH_PORT = 22;
const CONNECT_TIMEOUT_MS = 30_000;

/** spec/engine.md §27: `std.ssh`, `std.ssh_proxied` and `std.wait_ssh`. */
export function createSshActions(options: SshOptions): readonly SyncAction[] {
  return [sshAction(options), proxiedAction(options), waitAction(options)];
}

function sshAction(options: SshOptions): SyncAction {
  return {
    name: 'std.ssh',
    description: 'Runs a command on one or more hosts by SSH, one after the other.',
    kind: 'sync',
    repeatSafe: false,
    parameters: parameters({
      cmd: COMMAND,
      host: HOST,
      username: USERNAME,
      password: { type: ['string', 'null'], default: '', description: 'Password; of the private key if there is one.' },
      private_key_filename: KEY_FILE,
      private_key: KEY,
      return_result_on_error: {
        type: ['boolean', 'null'],
        default: false,
        description: 'Succeed whatever the exit code is, with standard output, standard error and the code.',
      },
    }),
    result: {
      description:
        'Standard output; with `return_result_on_error` {stdout, stderr, exit_code}. For several hosts a list, in order.',
    },
    examples: [
      {
        title: 'Free space on two hosts',
        yaml: 'space:\n  action: std.ssh\n  input:\n    cmd: df -h /data\n    host: [worker1, worker2]\n    username: jobs\n    private_key_filename: id_ed25519\n',
      },
    ],
    run: (input, context) => runOnHosts(input, context, (host) => runDirectly(options, input, host, context)),
  };
}

function proxiedAction(options: SshOptions): SyncAction {
  return {
    name: 'std.ssh_proxied',
    description: 'Runs a command on one or more hosts by SSH, through a gateway host.',
    kind: 'sync',
    repeatSafe: false,
    parameters: parameters({
      cmd: COMMAND,
      host: HOST,
      username: USERNAME,
      private_key_filename: { type: ['string', 'null'], description: KEY_FILE.description },
      gateway_host: { type: 'string', description: 'Host, or host:port, of the gateway.' },
      gateway_username: {
        type: ['string', 'null'],
        default: null,
        description: 'User on the gateway; without it `username`.',
      },
      password: { type: ['string', 'null'], default: null, description: 'Password of the private key.' },
      proxy_command: {
        type: ['string', 'null'],
        default: null,
        description:
          'Program with arguments, on the executor, that carries the connection to the gateway; only where the executor allows it.',
      },
      private_key: KEY,
    }),
    result: { description: 'Standard output; for several hosts a list, in order.' },
    examples: [
      {
        title: 'A host behind a gateway',
        yaml: 'space:\n  action: std.ssh_proxied\n  input:\n    cmd: df -h /data\n    host: 10.0.0.5\n    username: jobs\n    private_key_filename: id_ed25519\n    gateway_host: gate.example.com\n',
      },
    ],
    run: async (input, context) => {
      if (isTruthy(input.proxy_command ?? null) && !options.allowProxyCommand) {
        return failure(
          "The parameter 'proxy_command' is switched off on this executor; `executor.ssh_proxy_command: true` in its configuration allows it.",
        );
      }
      return runOnHosts(input, context, (host) => runThroughGateway(options, input, host, context));
    },
  };
}

function waitAction(options: SshOptions): SyncAction {
  return {
    name: 'std.wait_ssh',
    description: 'Lists the home folder by SSH: with a `retry` policy it waits until a host can be reached.',
    kind: 'sync',
    repeatSafe: true,
    parameters: parameters({
      host: HOST,
      username: USERNAME,
      password: { type: ['string', 'null'], description: 'Password.' },
    }),
    result: { description: 'Standard output of `ls -l`.' },
    examples: [
      {
        title: 'Wait until a new machine answers',
        yaml: "up:\n  action: std.wait_ssh host=<% $.address %> username='root' password=<% $.password %>\n  retry: {count: 30, delay: 10}\n",
      },
    ],
    run: (input, context) => {
      const call = { ...input, cmd: 'ls -l' };
      return runOnHosts(call, context, (host) => runDirectly(options, call, host, context));
    },
  };
}

/** The cause of a failure is logged and not told: it could say more of a network than the workflow's author should know. */
async function runOnHosts(
  input: JsonObject,
  context: ActionContext,
  run: (host: string) => Promise<CommandResult>,
): ReturnType<SyncAction['run']> {
  const command = toText(input.cmd ?? '');
  const hosts = (Array.isArray(input.host) ? input.host : [input.host ?? '']).map((host: Json) => toText(host));
  const wantsAll = isTruthy(input.return_result_on_error ?? null);
  const failed = (host: string, why = '') => failure(`Failed to execute ssh cmd '${command}' on ${host}${why}`, true);
  const results: Json[] = [];
  for (const host of hosts) {
    try {
      const { stdout, stderr, exitCode } = await run(host);
      if (exitCode !== 0 && !wantsAll) return failed(host);
      results.push(wantsAll ? { stdout, stderr, exit_code: exitCode } : stdout);
    } catch (error) {
      // A stop is told by whoever caused it.
      context.signal.throwIfAborted();
      context.log.warn('A command by SSH failed.', {
        actionExecutionId: context.run.actionExecutionId,
        host,
        error,
      });
      return failed(host, error instanceof OutputTooLarge ? `: ${error.message}` : '');
    }
  }
  const [only] = results;
  if (only === undefined) return failed('no host');
  return success(results.length > 1 ? results : only);
}

async function runDirectly(
  options: SshOptions,
  input: JsonObject,
  host: string,
  { signal }: ActionContext,
): Promise<CommandResult> {
  const password = textOrNull(input.password ?? null);
  const privateKey = await keyOf(options, input);
  const login: Login = { username: toText(input.username ?? ''), password, privateKey, passphrase: password };
  const sessions = await loadSessions();
  const stream = await connectTcp(options.egress, addressOf(host), { signal, timeoutMs: CONNECT_TIMEOUT_MS });
  const session = await sessions.open(stream, login, signal);
  try {
    return await session.run(toText(input.cmd ?? ''));
  } finally {
    session.close();
  }
}

/** The gateway and the host take the same key; passwords are for the key only. */
async function runThroughGateway(
  options: SshOptions,
  input: JsonObject,
  host: string,
  { signal }: ActionContext,
): Promise<CommandResult> {
  const privateKey = await keyOf(options, input);
  const username = toText(input.username ?? '');
  const login: Login = { username, password: null, privateKey, passphrase: textOrNull(input.password ?? null) };
  const atGateway = { ...login, username: textOrNull(input.gateway_username ?? null) ?? username };
  const target = addressOf(host);
  const proxyCommand = textOrNull(input.proxy_command ?? null);
  const sessions = await loadSessions();
  const stream =
    proxyCommand === null
      ? await connectTcp(options.egress, addressOf(toText(input.gateway_host ?? '')), {
          signal,
          timeoutMs: CONNECT_TIMEOUT_MS,
        })
      : streamOfProgram(proxyCommand, signal);
  const gateway = await sessions.open(stream, atGateway, signal);
  try {
    const session = await sessions.open(await gateway.forward(target.host, target.port), login, signal);
    try {
      return await session.run(toText(input.cmd ?? ''));
    } finally {
      session.close();
    }
  } finally {
    gateway.close();
  }
}

/** The library is loaded when it is needed: most processes run no commands. Before connecting, so that no stream is left alone. */
async function loadSessions() {
  const { SshSession } = await import('./ssh-session.ts');
  return SshSession;
}

/** Without a shell: words are split at spaces, quotes keep them together. */
function streamOfProgram(command: string, signal: AbortSignal): Duplex {
  const words = [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2] ?? word[3] ?? '');
  const [program = '', ...args] = words;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'], signal });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.on('error', (error) => stream.destroy(error));
  stream.on('close', () => child.kill('SIGKILL'));
  return stream;
}

/** The text of the key, or that of its file: in the key folder unless it has a path of its own. */
async function keyOf({ keyFolder }: SshOptions, input: JsonObject): Promise<string | null> {
  const text = textOrNull(input.private_key ?? null);
  if (text !== null) return text;
  const file = textOrNull(input.private_key_filename ?? null);
  if (file === null) return null;
  if (file.split(/[/\\]/).includes('..'))
    throw new Error(`Private key filename must not contain '..'. Actual: ${file}`);
  return readFile(isAbsolute(file) ? file : join(keyFolder, file), 'utf8');
}

function addressOf(host: string) {
  const address = parseAddress(host, SSH_PORT);
  if (address === null) throw new Error(`'${host}' is no host; it should look like host or host:port.`);
  return address;
}

function textOrNull(value: Json): string | null {
  return value === null || value === '' ? null : toText(value);
}

const COMMAND = { type: 'string', description: 'What to run.' };
const HOST = {
  type: ['string', 'array'],
  items: { type: 'string' },
  description: `Host, or host:port; a list for several. Without a port ${SSH_PORT}.`,
};
const USERNAME = { type: 'string', description: 'User on the host.' };
const KEY_FILE = {
  type: ['string', 'null'],
  default: null,
  description: "Path of a private key on the executor; a name alone is looked for in the executor's key folder.",
};
const KEY = { type: ['string', 'null'], default: null, description: 'Text of a private key.' };

/** What has no default is required. */
function parameters(properties: ParameterSchema['properties']): ParameterSchema {
  const required = Object.keys(properties).filter((name) => !Object.hasOwn(properties[name] ?? {}, 'default'));
  return { type: 'object', properties, required, additionalProperties: false };
}
