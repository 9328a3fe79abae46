import { build } from './build.mjs';
import { openBullmq } from './beside/bullmq.mjs';
import { openDbos } from './beside/dbos.mjs';
import { rawCommits } from './beside/postgres.mjs';
import { dispatchedSteps, openNode } from './dispatch.mjs';
import { inFlight, ratios } from './load-shapes.mjs';
import { openCluster } from './cluster.mjs';

const SAMPLES = { quick: 2, long: 5 };

export async function dispatchedSqlite({ folder, quick, progress }) {
  const node = await openNode(folder, { database: `sqlite:${folder}/bench.sqlite` });
  try {
    const figures = [];
    for (const width of [50, 500]) {
      progress(`${width} in flight`);
      const { rates, cpu } = await dispatchedSteps(node, shape(width, quick));
      figures.push(
        {
          what: `dispatched steps, ${width} in flight`,
          samples: rates.get('own'),
          unit: '/s',
          ...(width === 500 && { target: '>= 5000' }),
        },
        ...cpu,
      );
    }
    return figures;
  } finally {
    await node.close();
  }
}

export async function dispatchedPostgres({ folder, servers, quick, progress }) {
  const node = await openNode(folder, { database: await servers.postgres() });
  const dbos = await openDbos(await servers.postgres());
  try {
    const figures = [];
    for (const width of [50, 500]) {
      progress(`${width} in flight`);
      const { samples, runs, ...rest } = shape(width, quick);
      // DBOS is slower: fewer of its runs take as long.
      const theirs = Math.ceil(runs / 3);
      const beside = [{ name: 'dbos', run: () => inFlight(width, theirs, dbos.execute), units: theirs * 10 }];
      const { rates, cpu } = await dispatchedSteps(node, { samples, runs, ...rest }, beside);
      figures.push(
        { what: `dispatched steps, ${width} in flight`, samples: rates.get('own'), unit: '/s' },
        { what: `steps of DBOS Transact, ${width} in flight`, samples: rates.get('dbos'), unit: '/s' },
        {
          what: `times DBOS Transact, ${width} in flight`,
          samples: ratios(rates.get('own'), rates.get('dbos')),
          unit: 'x',
          target: '>= 2',
        },
        ...cpu,
      );
    }
    return figures;
  } finally {
    await node.close();
    await dbos.close();
  }
}

export async function dispatchedBullmq({ folder, servers, quick, progress }) {
  const { JOB_OPTIONS } = await build('engine/queue/bullmq.js');
  const redis = await servers.redis();
  const node = await openNode(folder, { database: await servers.postgres(), redis: { url: redis } });
  const raw = await openBullmq(redis, { jobs: JOB_OPTIONS, concurrency: 100 });
  try {
    const figures = [];
    for (const width of [50, 500]) {
      progress(`${width} in flight`);
      const jobs = quick ? 5_000 : 20_000;
      const beside = [{ name: 'raw', run: () => raw.run(jobs, width), units: jobs }];
      const { rates, cpu } = await dispatchedSteps(node, shape(width, quick), beside);
      figures.push(
        { what: `dispatched steps, ${width} in flight`, samples: rates.get('own'), unit: '/s' },
        { what: `raw BullMQ, jobs that do nothing, ${width} in flight`, samples: rates.get('raw'), unit: '/s' },
        {
          what: `of raw BullMQ, ${width} in flight`,
          samples: ratios(rates.get('own'), rates.get('raw')).map((share) => share * 100),
          unit: '%',
          target: '>= 25',
        },
        ...cpu,
      );
    }
    return figures;
  } finally {
    await node.close();
    await raw.close();
  }
}

/** Throughput of 1, 2 and 4 engine processes, each an executor too, with what Redis and PostgreSQL do by themselves. */
export async function nodes({ folder, servers, quick, progress }) {
  const { JOB_OPTIONS } = await build('engine/queue/bullmq.js');
  const figures = [];
  for (const count of [1, 2, 4]) {
    progress(`${count} processes`);
    const cluster = await openCluster(folder, {
      count,
      database: await servers.postgres(),
      redis: await servers.redis(),
    });
    try {
      const samples = await cluster.stepsPerSecond({
        width: 200,
        runs: quick ? 200 : 800,
        samples: SAMPLES[quick ? 'quick' : 'long'],
      });
      figures.push({ what: `dispatched steps through REST, ${count} processes, 200 in flight`, samples, unit: '/s' });
    } finally {
      await cluster.stop();
    }
  }
  const raw = await openBullmq(await servers.redis(), { jobs: JOB_OPTIONS, concurrency: 100 });
  await raw.run(2_000, 200);
  const startedAt = performance.now();
  const jobs = quick ? 5_000 : 20_000;
  await raw.run(jobs, 200);
  figures.push({
    what: 'raw BullMQ, jobs that do nothing, 200 in flight',
    value: jobs / ((performance.now() - startedAt) / 1000),
    unit: '/s',
  });
  await raw.close();
  figures.push(...(await rawCommits(await servers.postgres(), quick)));
  return figures;
}

function shape(width, quick) {
  return { width, runs: quick ? width * 2 : width * 6, samples: quick ? SAMPLES.quick : SAMPLES.long };
}
