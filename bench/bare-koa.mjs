// What our API is compared with: koa and @koa/router in a process of their own, which answer the texts of our own answers, made
// into JSON anew for each request, and read the body of a POST. `node bare-koa.mjs FILE`, where FILE holds {one, list}.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../package.json', import.meta.url));
const Koa = unwrapped(require('koa'));
const { Router } = require('@koa/router');
const { one, list } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const app = new Koa();
const router = new Router({ prefix: '/v2' });
router.get('/executions', (ctx) => {
  ctx.body = list;
});
router.get('/executions/:id', (ctx) => {
  ctx.body = { ...one, id: ctx.params.id };
});
router.post('/executions', async (ctx) => {
  const chunks = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  const { workflow_name: name } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  ctx.status = 201;
  ctx.body = { ...one, id: randomUUID(), workflow_name: name };
});
app.use(router.routes());
app.use(router.allowedMethods());

const server = createServer(app.callback());
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => process.exit(0));

function unwrapped(module) {
  return module.default ?? module;
}
