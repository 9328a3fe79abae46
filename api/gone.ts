import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Calls back once when an answer is over, because it was sent or because the client has gone. Node tells an answer of the end of its
 * connection only once its turn has come: one that waits for others of the same connection (pipelining) would never hear of it.
 *
 * @returns what calls it off.
 */
export function whenOver(response: ServerResponse, callback: () => void): () => void {
  const { socket } = response.req;
  const callbacks = callbacksOf(socket);
  const callOff = (): void => {
    response.off('close', over);
    callbacks.delete(over);
  };
  const over = (): void => {
    callOff();
    callback();
  };
  if (response.destroyed || socket.destroyed) {
    callback();
    return () => {};
  }
  response.once('close', over);
  callbacks.add(over);
  return callOff;
}

/** One listener for all answers of a connection, however many a client asks for at once. */
function callbacksOf(socket: Socket): Set<() => void> {
  let callbacks = sockets.get(socket);
  if (callbacks === undefined) {
    const all = (callbacks = new Set<() => void>());
    sockets.set(socket, all);
    socket.once('close', () => {
      for (const callback of all) callback();
    });
  }
  return callbacks;
}

const sockets = new WeakMap<Socket, Set<() => void>>();
