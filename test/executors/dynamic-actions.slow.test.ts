import test, { type ExecutionContext } from 'ava';
import { sender, type Send } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { waitFor } from '../helpers/waiting.ts';

const MODULE = `
import { createHash } from 'node:crypto';

export class Greet {
  static description = 'Greets somebody.';
  static input = ['name', { greeting: 'Hello' }];
  constructor(input) {
    this.input = input;
  }
  async run(context) {
    const { greeting, name } = this.input;
    return { text: greeting + ' ' + name, task: context.taskName, hash: createHash('md5').update(name).digest('hex') };
  }
}
export const numbers = ({ n }) => [n * 2, 10n ** 20n, Object.keys(process.env)];
export const raise = () => { throw new TypeError('no rows'); };
export const refuse = () => { throw { code: 7 }; };
export const endless = () => { for (;;); };
export const hog = () => { for (const all = []; ; ) all.push(new Array(1e6).fill(1.5)); };
export const quit = () => process.exit(0);
export const pid = () => process.pid;
export async function order(input, context) { return context.callbackUrl; }
order.isSync = false;
`;

interface World {
  readonly send: Send;
  /** Runs an action without a workflow: its state and its result. */
  run(name: string, input?: object, more?: object): Promise<{ state: string; result: unknown }>;
  /** Runs a workflow with one task: state, state_info and the task's result. */
  runWorkflow(text: string): Promise<{ state: string; info: string | null; output: unknown }>;
}

async function world(t: ExecutionContext, settings: object = {}): Promise<World> {
  t.timeout(300_000);
  const { url } = await startNodeServer(t, { dynamicActions: true, dynamicMemoryMegabytes: 64, ...settings });
  const send = sender(url);
  return {
    send,
    async run(name, input = {}, more = {}) {
      const { status, body } = await send('POST', '/v2/action_executions', { name, input, ...more });
      t.is(status, 201, JSON.stringify(body));
      return { state: body.state, result: JSON.parse(body.output).result };
    },
    async runWorkflow(text) {
      await send('POST', '/v2/workflows', `version: '2.0'\n${text}`);
      const { body: started } = await send('POST', '/v2/executions', { workflow_name: 'wf' });
      const ended = await waitFor('the end of the workflow', async () => {
        const { body } = await send('GET', `/v2/executions/${started.id}`);
        return body.state === 'RUNNING' ? null : body;
      });
      return { state: ended.state, info: ended.state_info, output: JSON.parse(ended.output) };
    },
  };
}

async function upload(t: ExecutionContext, { send }: World, names: readonly string[], namespace = ''): Promise<void> {
  t.is((await send('POST', `/v2/code_sources?name=module&namespace=${namespace}`, MODULE)).status, 201);
  for (const name of names) {
    const body = { name: `my.${name}`, class_name: name, code_source_name: 'module', namespace };
    const reply = await send('POST', '/v2/dynamic_actions', body);
    t.is(reply.status, 201, JSON.stringify(reply.body));
  }
}

test.serial('a class or a function of a module runs as an action, with the parameters that it declares', async (t) => {
  const w = await world(t);
  await upload(t, w, ['Greet', 'numbers']);
  t.like((await w.send('GET', '/v2/actions/my.Greet')).body, {
    input: 'name, greeting="Hello"',
    description: 'Greets somebody.',
    is_system: false,
  });
  const hash = 'a0df931e7a7f9b608c165504bde9b620';
  t.deepEqual(await w.run('my.Greet', { name: 'jane' }), {
    state: 'SUCCESS',
    result: { text: 'Hello jane', task: null, hash: '5844a15e76563fedd11840fd6f40ea7b' },
  });
  t.deepEqual((await w.run('my.numbers', { n: 2 })).result, [4, 1e20, []], 'no variable of the server is seen');
  const missing = await w.send('POST', '/v2/action_executions', { name: 'my.Greet', input: { nme: 'x' } });
  t.is(missing.status, 400);
  t.is(missing.body.faultstring, "Invalid input [name=my.Greet, class=Greet, missing=['name'], unexpected=['nme']]");
  const action =
    'shout:\n  base: my.Greet\n  base-input: {name: <% $.who %>, greeting: HEY}\n  input: [who]\n  output: <% $.text %>\n';
  t.is((await w.send('POST', '/v2/actions', `version: '2.0'\n${action}`)).status, 201);
  const flow = await w.runWorkflow(
    'wf: {output: {a: <% task(a).result.task %>, b: <% task(b).result %>, h: <% task(a).result.hash %>}, tasks: {a: {action: my.Greet, input: {name: carl}, on-success: b}, b: {action: shout, input: {who: you}}}}',
  );
  t.deepEqual(flow, { state: 'SUCCESS', info: null, output: { a: 'a', b: 'HEY you', h: hash } });
});

test.serial(
  'an action that fails, ends its process or eats its memory is an error, and the next one runs',
  async (t) => {
    const w = await world(t, { dynamicProcesses: 1 });
    await upload(t, w, ['raise', 'refuse', 'hog', 'quit', 'pid']);
    const raised = await w.run('my.raise');
    t.is(raised.state, 'ERROR');
    t.regex(
      String(raised.result),
      /^The action raised an exception \[action=my\.raise, action_ex_id=.*, msg='TypeError: no rows'\]$/,
    );
    t.deepEqual(await w.run('my.refuse'), { state: 'ERROR', result: { code: 7 } });
    const { result: pid } = await w.run('my.pid');
    t.deepEqual(await w.run('my.pid'), { state: 'SUCCESS', result: pid }, 'the process is kept warm');
    t.regex(String((await w.run('my.quit')).result), /The code ended its process/);
    t.regex(String((await w.run('my.hog')).result), /memory/);
    const { result: other } = await w.run('my.pid');
    t.not(other, pid);
    process.kill(Number(other), 'SIGKILL');
    t.is((await w.run('my.pid')).state, 'SUCCESS');
  },
);

test.serial('an action without end is killed at its time limit', async (t) => {
  const w = await world(t, { dynamicProcesses: 1 });
  await upload(t, w, ['endless', 'pid']);
  const params = { timeout: 2 };
  t.deepEqual(await w.run('my.endless', {}, { params }), { state: 'ERROR', result: 'Timeout after 2 seconds' });
  t.is((await w.run('my.pid')).state, 'SUCCESS', 'there is one process, and it is free');
});

test.serial('an asynchronous action waits for its completion through the API', async (t) => {
  const w = await world(t);
  await upload(t, w, ['order']);
  const refused = await w.send('POST', '/v2/action_executions', { name: 'my.order', params: { run_sync: true } });
  t.is(refused.body.faultstring, 'Action does not support synchronous execution.');
  const { body } = await w.send('POST', '/v2/action_executions', { name: 'my.order' });
  t.is(body.state, 'RUNNING');
  const path = `/v2/action_executions/${body.id}`;
  t.like(await w.send('PUT', path, { state: 'SUCCESS', output: { done: true } }), { body: { state: 'SUCCESS' } });
});

test.serial('new code is what runs next; deleted code, or a class that is gone, fails', async (t) => {
  const w = await world(t);
  await upload(t, w, ['Greet', 'pid']);
  t.is((await w.run('my.Greet', { name: 'x' })).state, 'SUCCESS');
  const put = await w.send('PUT', '/v2/code_sources/module', 'export const Greet = () => "two"; Greet.input = [];');
  t.like(put, { status: 200, body: { version: 2 } });
  t.deepEqual(await w.run('my.Greet'), { state: 'SUCCESS', result: 'two' });
  t.is((await w.send('GET', '/v2/actions/my.Greet')).body.input, '');
  t.regex(String((await w.run('my.pid')).result), /The code has no action 'pid'; its actions: Greet/);
  t.is((await w.send('DELETE', '/v2/code_sources/module')).status, 204);
  const gone = await w.send('POST', '/v2/action_executions', { name: 'my.Greet' });
  t.like(gone, { status: 400 });
  t.regex(gone.body.faultstring, /Failed to find action/);
});

test.serial('code that does not load, or has no such export, is refused where dynamic actions are on', async (t) => {
  const w = await world(t);
  const cases: readonly (readonly [string, RegExp])[] = [
    ['class A(actions.Action):', /no JavaScript module that can be loaded: SyntaxError/],
    ['throw new Error("at the top")', /Error: at the top/],
    ['import "left-pad"', /left-pad/],
    ['export const a = () => 1; a.input = "x"', /'a\.input' should be a list/],
  ];
  for (const [content, text] of cases) {
    const reply = await w.send('POST', '/v2/code_sources?name=bad', content);
    t.is(reply.status, 400, content);
    t.regex(reply.body.faultstring, text);
  }
  await upload(t, w, []);
  const reply = await w.send('POST', '/v2/dynamic_actions', {
    name: 'd',
    class_name: 'Nope',
    code_source_name: 'module',
  });
  t.is(reply.status, 400);
  t.regex(reply.body.faultstring, /has no action 'Nope'; .*Greet/);
});

test.serial('a namespace has dynamic actions of its own and falls back to the default one', async (t) => {
  const w = await world(t);
  await upload(t, w, ['pid']);
  await upload(t, w, ['numbers'], 'n');
  t.is((await w.run('my.numbers', { n: 1 }, { workflow_namespace: 'n' })).state, 'SUCCESS');
  t.is((await w.run('my.pid', {}, { workflow_namespace: 'n' })).state, 'SUCCESS');
  const reply = await w.send('POST', '/v2/action_executions', { name: 'my.numbers', input: { n: 1 } });
  t.regex(reply.body.faultstring, /Failed to find action/);
});

test.serial('where dynamic actions are off, code is kept and not run', async (t) => {
  const w = await world(t, { dynamicActions: false });
  await upload(t, w, ['pid']);
  t.is((await w.send('POST', '/v2/code_sources?name=python', 'class A(actions.Action):')).status, 201);
  const { state, result } = await w.run('my.pid');
  t.is(state, 'ERROR');
  t.regex(String(result), /Dynamic actions are switched off on this executor/);
});
