// The same tests as on SQLite, on databases of a PostgreSQL server: see test/helpers/store.ts.
import './auth.test.ts';
import './streams.test.ts';
