/** Answers a run that tells rows a second of 300 characters, in durable transactions of 100 rows through the bare driver: what the disk and SQLite allow. */
export async function rawBatches(store) {
  const knex = store.writer;
  await knex.schema.createTable('bench_rows', (t) => {
    t.string('id', 36).primary();
    t.text('body');
  });
  let written = 0;
  return async (batches) => {
    const connection = await knex.client.acquireConnection();
    const run = (sql, bindings = []) =>
      new Promise((resolve, reject) => connection.run(sql, bindings, (error) => (error ? reject(error) : resolve())));
    const body = 'x'.repeat(300);
    const marks = Array.from({ length: 100 }, () => '(?, ?)').join(', ');
    const startedAt = performance.now();
    try {
      for (let i = 0; i < batches; i += 1) {
        await run('begin');
        const values = Array.from({ length: 100 }, () => [`${String((written += 1)).padStart(12, '0')}`, body]);
        await run(`insert into bench_rows (id, body) values ${marks}`, values.flat());
        await run('commit');
      }
    } finally {
      await knex.client.releaseConnection(connection);
    }
    return (batches * 100) / ((performance.now() - startedAt) / 1000);
  };
}
