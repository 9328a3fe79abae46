#!/usr/bin/env node
// The web service that the examples http-call and retry-and-recover talk to.
//   node examples/local-server.mjs [PORT]        default 8099; 0 takes a free port. Prints its address, ends with Ctrl-C.
import { createServer } from 'node:http';

const stations = { oslo: { celsius: -4 }, malaga: { celsius: 17 }, naples: { celsius: 13 } };
const calls = new Map();

createServer((request, response) => {
  const { status, body } = answer(new URL(request.url ?? '/', 'http://localhost'));
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}).listen(Number(process.argv[2] ?? 8099), '127.0.0.1', function () {
  console.log(`http://127.0.0.1:${this.address().port}`);
});

function answer(url) {
  const [, place, name] = url.pathname.split('/');
  if (place === 'stations') return station(name);
  if (place === 'flaky') return flaky(name, Number(url.searchParams.get('failures') ?? 2));
  return { status: 500, body: { error: 'out of order' } };
}

function station(name) {
  const found = stations[name];
  return found ? { status: 200, body: { name, ...found } } : { status: 404, body: { error: `no station '${name}'` } };
}

// 503 for the first calls of a name, 200 from then on.
function flaky(name, failures) {
  const call = (calls.get(name) ?? 0) + 1;
  calls.set(name, call);
  return call <= failures
    ? { status: 503, body: { error: 'try again', call } }
    : { status: 200, body: { call, price: 42 } };
}
