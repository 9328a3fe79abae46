// The same tests as on SQLite, on databases of a PostgreSQL server: see test/helpers/store.ts.
import './conductor.test.ts';
import './eviction.test.ts';
import './flows.test.ts';
import './timers.test.ts';
