// The tests that try random cases, with many more of them than in the fast suite. TEST_RUNS=100 tries even more.
import './api/graph.test.ts';
import './api/hostile.test.ts';
import './dsl/format.test.ts';
import './dsl/fuzz.test.ts';
import './dsl/graph.test.ts';
import './dsl/inline-params.test.ts';
import './dsl/problems.test.ts';
import './dsl/schema.test.ts';
import './dsl/yaml.test.ts';
import './engine/eviction.test.ts';
import './engine/recovery.test.ts';
import './expressions/safety.test.ts';
import './yaql/language.test.ts';
import './yaql/regex.test.ts';
import './yaql/values.test.ts';

// The numbers are asked for when the tests run, after this.
process.env['TEST_RUNS'] ??= '6';
