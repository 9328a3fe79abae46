/** Rows a second of 300 characters, in durable transactions of 100 rows through the bare driver: what the disk and SQLite allow. */
export async function rawBatches(store, batches) {
  const knex = store.writer;
  await knex.schema.createTable('bench_rows', (t) => {
    t.string('id', 36).primary();
    t.text('body');
  });
  const connection = await knex.client.acquireConnection();
  const run = (sql, bindings = []) =>
    new Promise((resolve, reject) => connection.run(sql, bindings, (error) => (error ? reject(error) : resolve())));
  const body = 'x'.repeat(300);
  const marks = Array.from({ length: 100 }, () => '(?, ?)').join(', ');
  const startedAt = performance.now();
  try {
    for (let i = 0; i < batches; i += 1) {
      await run('begin');
      const values = Array.from({ length: 100 }, (_, k) => [`${String(i).padStart(10, '0')}-${k}`, body]);
      await run(`insert into bench_rows (id, body) values ${marks}`, values.flat());
      await run('commit');
    }
  } finally {
    await knex.client.releaseConnection(connection);
  }
  return (batches * 100) / ((performance.now() - startedAt) / 1000);
}
