/**
 * What is measured: the same question in each language, over the same data. `null`: the language cannot say it.
 * `sameValue: false` marks an answer in another shape (jsonata's groups are objects, for instance).
 */
const rows = (count) =>
  Array.from({ length: count }, (_, i) => ({
    id: i,
    name: `row-${i}`,
    state: i % 3 === 0 ? 'FAILED' : 'SUCCESS',
    score: (i * 7919) % 1000,
    tags: [`t${i % 5}`, `t${i % 7}`],
  }));

const small = { a: { b: { c: 42 } }, rows: rows(100), name: 'Ada', n: 3 };
const many = { rows: rows(10_000).map(({ id, score }) => ({ id, group: `g${score % 50}` })) };
/** 0.7 MB of JSON around the same path. */
const large = { ...small, bulk: rows(8_000) };

export const datasets = { small, many, large };

export const cases = [
  {
    name: 'path',
    data: 'small',
    targets: { python: 100, jsonata: 1, jmespath: 0.5 },
    yaql: '$.a.b.c',
    jinja: '{{ _.a.b.c }}',
    jmespath: 'a.b.c',
    jsonata: 'a.b.c',
  },
  {
    name: 'path in 0.7 MB',
    data: 'large',
    targets: { python: 100, jsonata: 1, jmespath: 0.5 },
    yaql: '$.a.b.c',
    jinja: '{{ _.a.b.c }}',
    jmespath: 'a.b.c',
    jsonata: 'a.b.c',
  },
  {
    name: 'filter 100',
    data: 'small',
    targets: { python: 100, jsonata: 1 },
    yaql: '$.rows.where($.state = FAILED)',
    jinja: '{{ _.rows|selectattr("state", "equalto", "FAILED")|list }}',
    jmespath: "rows[?state=='FAILED']",
    jsonata: "rows[state='FAILED']",
  },
  {
    name: 'project 100',
    data: 'small',
    targets: { python: 100, jsonata: 1 },
    yaql: '$.rows.select({id => $.id, name => $.name})',
    jinja: null,
    jmespath: 'rows[*].{id: id, name: name}',
    jsonata: 'rows.{"id": id, "name": name}',
  },
  {
    name: 'filter, project 100',
    data: 'small',
    targets: { python: 100, jsonata: 1 },
    yaql: '$.rows.where($.score > 500).select($.name)',
    jinja: '{{ _.rows|selectattr("score", "gt", 500)|map(attribute="name")|list }}',
    jmespath: 'rows[?score > `500`].name',
    jsonata: 'rows[score > 500].name',
  },
  {
    name: 'groupBy 10,000',
    data: 'many',
    targets: { python: 100, jsonata: 1 },
    yaql: '$.rows.groupBy($.group, $.id)',
    jinja: '{{ _.rows|groupby("group") }}',
    jmespath: null,
    jsonata: 'rows{group: $append([], id)}',
    sameValue: false,
  },
  {
    name: 'string building',
    data: 'small',
    targets: { jsonata: 1 },
    yaql: "concat('Hello ', $.name, ', you have ', str($.n), ' jobs')",
    jinja: '{{ "Hello " ~ _.name ~ ", you have " ~ _.n ~ " jobs" }}',
    jmespath: "join('', ['Hello ', name, ', you have ', to_string(n), ' jobs'])",
    jsonata: "'Hello ' & name & ', you have ' & n & ' jobs'",
  },
  {
    name: 'nested select',
    data: 'small',
    targets: { jsonata: 1 },
    yaql: "$.rows.select(let(row => $) -> $.tags.select($row.name + '/' + $))",
    jinja: null,
    jmespath: null,
    jsonata: "rows.($row := $; [tags.($row.name & '/' & $)])",
    sameValue: false,
  },
];
