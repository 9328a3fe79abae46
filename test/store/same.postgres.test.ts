// The same tests as on SQLite, on databases of a PostgreSQL server: see test/helpers/store.ts.
import './definitions.test.ts';
import './gathered-reads.test.ts';
import './lists.test.ts';
import './tables.test.ts';
