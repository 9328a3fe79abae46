import { build } from '../build.mjs';

const { createEngine } = await build('engine/index.js');
const { silentLogger } = await build('engine/log.js');
const { EmbeddedQueue } = await build('engine/queue/embedded.js');
const { systemClock } = await build('engine/shell/clock.js');
const { createDefinitions } = await build('engine/shell/definitions.js');
const { openStore } = await build('engine/store/connection.js');
const { migrate } = await build('engine/store/migrate.js');
const { createCatalogue } = await build('executors/index.js');

const CALLER = { projectId: '<default-project>', isAdmin: true };

/** An engine whose actions outside of it end at once: what is measured is the engine, not the work. */
export async function openEngine(path, options = {}) {
  const store = await openStore({ url: `sqlite:${path}`, driver: process.env.DRIVER }, silentLogger);
  await migrate(store);
  const catalogue = createCatalogue();
  const queue = new EmbeddedQueue(systemClock, silentLogger);
  const engine = createEngine({
    store,
    catalogue,
    queue,
    clock: systemClock,
    log: { ...silentLogger, error: (...args) => console.error(...args) },
    embeddedExecutor: true,
    limits: { tasksPerName: 1_000_000 },
    ...options,
  });
  const node = { store, engine, path, onAction: finishAtOnce };
  queue.consume((message) => (message.type === 'run-action' ? node.onAction(message) : Promise.resolve()));
  const definitions = createDefinitions({ store, catalogue, now: () => Date.now() });
  await engine.start();
  return Object.assign(node, {
    upload: (text) =>
      definitions.createWorkflows(CALLER, `version: '2.0'\n${text}`, { namespace: '', scope: 'private' }),
    start: (workflowName, input = {}) =>
      engine.startExecution(CALLER, {
        id: null,
        workflowId: null,
        workflowName,
        workflowNamespace: '',
        input,
        params: {},
        description: null,
        sourceExecutionId: null,
      }),
    row: (id) => store.reader('executions').where('id', id).first(),
    count: async (table, where) => Number((await store.reader(table).where(where).count({ n: '*' }))[0].n),
    finish: (message) => finishAtOnce(message),
    close: async () => {
      await engine.close();
      await store.close();
    },
  });

  function finishAtOnce({ context }) {
    return engine.report({
      actionExecutionId: context.actionExecutionId,
      attempt: context.attempt,
      result: { kind: 'success', output: null },
    });
  }
}
