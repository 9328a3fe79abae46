"""Times the Python library: reads {expressions: [{text, data}], datasets} as JSON, prints seconds for one evaluation and one parse of each.

Data are converted and put into a context for every evaluation, as a workflow engine has to.
"""
import collections.abc  # noqa: F401 - the library uses it without importing it
import json
import sys
import time

import yaql
from yaql.language import factory


def seconds(work, budget=0.5):
    work()
    rounds, best = 1, None
    deadline = time.perf_counter() + budget
    while True:
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        taken = time.perf_counter() - start
        best = taken / rounds if best is None else min(best, taken / rounds)
        if time.perf_counter() > deadline:
            return best
        if taken < 0.02:
            rounds *= 2


question = json.load(sys.stdin)
engine = factory.YaqlFactory().create(options={})
root = yaql.create_context()
results = []
for one in question['cases']:
    data = question['datasets'][one['data']]
    parsed = engine(one['text'])

    def evaluate():
        return parsed.evaluate(data=data, context=root.create_child_context())

    value = evaluate()
    results.append({
        'seconds': seconds(evaluate),
        'compile': seconds(lambda: engine(one['text']), 0.2),
        'value': value,
    })
json.dump(results, sys.stdout, default=list)
