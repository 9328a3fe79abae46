import { Queue, Worker } from 'bullmq';

/** Jobs a second that do nothing, `width` of them in flight, with the options that our queue gives its jobs. */
export async function openBullmq(url, options) {
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue('raw', { connection });
  let ended = () => {};
  const worker = new Worker('raw', async () => ended(), { connection, concurrency: options.concurrency });
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  return {
    /** As the engine's relay does, which adds what one batch of decisions has produced in one call. */
    run: (jobs, width) =>
      new Promise((resolve, reject) => {
        let [added, done] = [0, 0];
        let owed = width;
        let adding = false;
        const refill = async () => {
          if (adding) return;
          adding = true;
          while (owed > 0 && added < jobs) {
            const count = Math.min(owed, jobs - added, 100);
            owed -= count;
            added += count;
            await queue.addBulk(
              Array.from({ length: count }, () => ({ name: 'noop', data: { body: BODY }, opts: options.jobs })),
            );
          }
          adding = false;
        };
        ended = () => {
          done += 1;
          owed += 1;
          if (done === jobs) resolve();
          else refill().catch(reject);
        };
        refill().catch(reject);
      }),
    close: async () => {
      await worker.close();
      await queue.close();
    },
  };
}

// About what a message to run an action has.
const BODY = 'x'.repeat(600);
