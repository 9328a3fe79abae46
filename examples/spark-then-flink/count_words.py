"""Counts the words of a text: the first job of the chain.

Usage: count_words.py --text FILE --output DIR

A word is what `wc -w` counts: characters between white space. DIR gets counts/ (one "word<TAB>count" per line, in several part
files) and events/ (Spark's event log, named after the application). The last line on standard output carries the figures to the
next task.
"""

import argparse
import json
import os
import shutil

from pyspark.sql import SparkSession


def main():
    parser = argparse.ArgumentParser(prog="count_words.py")
    parser.add_argument("--text", required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    output = os.path.abspath(options.output)
    spark = start(os.path.join(output, "events"))
    result = count(spark, os.path.abspath(options.text), os.path.join(output, "counts"))
    spark.stop()
    print("::result", json.dumps({**result, "events": os.path.join(output, "events")}), flush=True)


def start(events):
    # Spark refuses to start when the folder of its event log is missing.
    os.makedirs(events, exist_ok=True)
    return (
        SparkSession.builder.config("spark.eventLog.enabled", "true")
        .config("spark.eventLog.dir", "file://" + events)
        .config("spark.eventLog.compress", "false")
        .getOrCreate()
    )


def count(spark, text, counts):
    lines = spark.sparkContext.textFile("file://" + text).cache()
    pairs = lines.flatMap(str.split).map(lambda word: (word, 1)).reduceByKey(lambda a, b: a + b).cache()
    shutil.rmtree(counts, ignore_errors=True)  # left by an attempt that failed; Spark never overwrites
    pairs.map(lambda pair: f"{pair[0]}\t{pair[1]}").saveAsTextFile("file://" + counts)
    return {
        "application_id": spark.sparkContext.applicationId,
        "words": pairs.values().sum(),
        "distinct": pairs.count(),
        "lines": lines.count(),
        "counts": counts,
    }


if __name__ == "__main__":
    main()
