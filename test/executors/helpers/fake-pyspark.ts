import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A Spark installation whose spark-submit runs the Python program with a PySpark of a few lines: the program that keeps a session is the real one. What
 * it is started with stands in `starts`. `spark.java(seconds)` stands for a call to Java, which only a cancelled job group ends.
 */
export async function fakePyspark(folder: string): Promise<{ readonly home: string; starts(): Promise<string[]> }> {
  const home = join(folder, 'pyspark-home');
  await mkdir(join(home, 'bin'), { recursive: true });
  await mkdir(join(home, 'lib', 'pyspark', 'sql'), { recursive: true });
  await mkdir(join(home, 'lib', 'py4j'), { recursive: true });
  const program = join(home, 'bin', 'spark-submit');
  await writeFile(program, SPARK_SUBMIT.replaceAll('@HOME@', home).replace('@STARTS@', join(folder, 'starts')));
  await chmod(program, 0o755);
  await writeFile(join(home, 'lib/pyspark/__init__.py'), '');
  await writeFile(join(home, 'lib/pyspark/sql/__init__.py'), SESSION);
  await writeFile(join(home, 'lib/py4j/__init__.py'), JAVA);
  return {
    home,
    async starts() {
      const text = await readFile(join(folder, 'starts'), 'utf8').catch(() => '');
      return text.split('\n').filter((line) => line !== '');
    },
  };
}

const SPARK_SUBMIT = `#!/bin/sh
echo "$*" >> '@STARTS@'
echo "26/11/22 05:00:00 INFO SparkContext: Running Spark version 3.5.9" >&2
while [ $# -gt 1 ]; do shift; done
if [ -n "$FAIL" ]; then echo "java.lang.IllegalStateException: $FAIL" >&2; exit 1; fi
PYTHONPATH='@HOME@/lib' exec python3 "$1"
`;

const SESSION = `import datetime, decimal, json, threading
import py4j


class Row(tuple):
    def asDict(self):
        return {"inner": self[0]}


class Frame:
    def __init__(self, rows):
        self.rows, self.schema = rows, self

    def json(self):
        return json.dumps({"type": "struct", "fields": [{"name": "n", "type": "long"}]})

    def take(self, count):
        return [Row(row) for row in self.rows[:count]]


class AnalysisException(Exception):
    pass


class Context:
    applicationId, uiWebUrl, version = "local-17", "http://127.0.0.1:4040", "3.5.9"

    def setJobGroup(self, group, description, interrupt):
        self.group = group

    def cancelJobGroup(self, group):
        py4j.cancelled.add(group)


class Session:
    sparkContext = Context()

    def sql(self, code):
        if code.startswith("SELECT kinds"):
            return Frame([(1, 1.5, None, True, decimal.Decimal("3.25"), datetime.date(2026, 11, 22), b"ab", [1], {"a": 2}, Row((9,)), float("nan"), 2 ** 60)])
        if code.startswith("SELECT"):
            return Frame([(n,) for n in range(int(code.split()[1]))])
        raise AnalysisException("[TABLE_OR_VIEW_NOT_FOUND] " + code)

    def java(self, seconds):
        py4j.send_command(self.sparkContext.group, seconds)

    def stop(self):
        pass


class Builder:
    def getOrCreate(self):
        return Session()


class SparkSession:
    builder = Builder()
`;

const JAVA = `import time

cancelled = set()


def send_command(group, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.02)
        if group in cancelled:
            raise RuntimeError("Job group " + group + " was cancelled")
`;
