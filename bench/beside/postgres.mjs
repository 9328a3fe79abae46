import { Pool } from 'pg';
import { inFlight } from '../load-shapes.mjs';

/** Durable commits of one row, and rows in batches of 100, by the bare driver over ten connections. */
export async function rawCommits(url, quick) {
  const pool = new Pool({ connectionString: url, max: 10 });
  try {
    await pool.query('create table raw (id bigserial primary key, body text)');
    const body = 'x'.repeat(300);
    const perSecond = async (times, text, values) => {
      const startedAt = performance.now();
      await inFlight(10, times, () => pool.query(text, values));
      return times / ((performance.now() - startedAt) / 1000);
    };
    const one = () => perSecond(quick ? 300 : 2_000, 'insert into raw (body) values ($1)', [body]);
    const batch = () =>
      perSecond(quick ? 100 : 500, 'insert into raw (body) select unnest($1::text[])', [Array(100).fill(body)]);
    await one();
    const [ones, batches] = [[], []];
    for (let round = 0; round < 3; round += 1) {
      ones.push(await one());
      batches.push((await batch()) * 100);
    }
    return [
      { what: 'raw PostgreSQL, durable commits of one row, 10 connections', samples: ones, unit: '/s' },
      { what: 'raw PostgreSQL, rows in durable batches of 100, 10 connections', samples: batches, unit: '/s' },
    ];
  } finally {
    await pool.end();
  }
}
