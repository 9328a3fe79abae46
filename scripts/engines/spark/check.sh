#!/usr/bin/env bash
# Proves the scripts on this machine: install, start, four jobs, stop, nothing left. With LIVY_HOME set, a Livy batch too.
# usage: check.sh [VERSION]      ports and folders: the variables of the other scripts
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
version="${1:-3.5}"
SPARK_STATE="$(mktemp -d)"
export SPARK_STATE
. "$here/lib.sh"

step() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]))' "$1"; }
expect() { [ "$2" = "$3" ] || { echo "error: $1: expected $3, got $2" >&2; exit 1; }; }

finish() {
  local code=$? file group groups="" left
  for file in "$SPARK_STATE"/*.pid; do
    if [ -f "$file" ]; then groups="$groups $(head -n 1 "$file")"; fi
  done
  "$here/stop-livy.sh" || true
  "$here/stop-standalone.sh" || true
  left="$(pgrep -f "$SPARK_STATE" || true)"
  for group in $groups; do
    if group_alive "$group"; then left="$left $group"; fi
  done
  if [ -n "$left" ]; then
    echo "error: still running: $left" >&2
    code=1
  fi
  if [ "$code" = 0 ]; then
    rm -rf "$SPARK_STATE"
    step "nothing is left, all well"
  else
    echo "kept $SPARK_STATE" >&2
  fi
  exit "$code"
}
trap finish EXIT

SPARK_HOME="$("$here/install.sh" "$version" | tail -n 1)"
PYSPARK_PYTHON="$(cd "$SPARK_HOME/../../../../bin" && pwd)/python"
export SPARK_HOME PYSPARK_PYTHON SPARK_LOCAL_IP=127.0.0.1
step "installed $("$PYSPARK_PYTHON" -c 'import pyspark; print(pyspark.__version__)')"

variables="$("$here/start-standalone.sh")"
eval "$variables"
step "started $MASTER_URL"
jar="$("$here/build-jobs.sh" | tail -n 1)"
step "built the jar"
input="$here/jobs/input.txt"

last="$("$SPARK_HOME/bin/spark-submit" --master 'local[1]' --class WordCount "$jar" "$input" "$SPARK_STATE/out1" 2>"$SPARK_STATE/1.err" | tail -n 1)"
step "spark-submit local[1]: $last"
expect words "$(field words <<<"${last#::result }")" 25
last="$("$SPARK_HOME/bin/spark-submit" --master "$MASTER_URL" --executor-memory 512m "$here/jobs/wordcount.py" "$input" "$SPARK_STATE/out2" 2>"$SPARK_STATE/2.err" | tail -n 1)"
step "spark-submit on the cluster, Python: $last"
expect words "$(field words <<<"${last#::result }")" 25

submit() { # NAME ARGUMENT...  -> driver id
  python3 - "$jar" "$REST_URL" "$input" "$SPARK_STATE/$1" "${@:2}" <<'END'
import json, sys, urllib.request
jar, rest, *args = sys.argv[1:]
# On Java 17 a driver started through this API gets none of the options that spark-submit adds by itself.
PACKAGES = """java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent
    java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar"""
OPENS = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in PACKAGES.split()]
MODULE_OPTIONS = " ".join(["-XX:+IgnoreUnrecognizedVMOptions", *OPENS])
body = {
    "action": "CreateSubmissionRequest", "clientSparkVersion": "check", "appResource": "file:" + jar,
    "mainClass": "WordCount", "appArgs": args, "environmentVariables": {},
    "sparkProperties": {
        "spark.app.name": "check", "spark.jars": "file:" + jar, "spark.driver.memory": "512m",
        "spark.executor.memory": "512m", "spark.cores.max": "1", "spark.driver.extraJavaOptions": MODULE_OPTIONS,
    },
}
request = urllib.request.Request(rest + "/create", json.dumps(body).encode(), {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request))["submissionId"])
END
}
final_state() { # DRIVER_ID
  local state
  while state="$(curl -fsS "$REST_URL/status/$1" | field driverState)"; do
    case "$state" in SUBMITTED | RUNNING | RELAUNCHING | UNKNOWN) sleep 1 ;; *) break ;; esac
  done
  echo "$state"
}
expect "REST job" "$(final_state "$(submit out3)")" FINISHED
step "REST job FINISHED"
expect "failing REST job" "$(final_state "$(submit out4 --fail)")" FAILED
step "failing REST job FAILED"
driver="$(submit out5 --sleep 300)"
sleep 5
curl -fsS -X POST "$REST_URL/kill/$driver" >/dev/null
expect "killed REST job" "$(final_state "$driver")" KILLED
step "killed REST job KILLED"

if [ -n "${LIVY_HOME:-}" ]; then
  variables="$("$here/start-livy.sh")"
  eval "$variables"
  step "started $LIVY_URL"
  body="{\"file\": \"$jar\", \"className\": \"WordCount\", \"driverMemory\": \"512m\", \"args\": [\"$input\", \"$SPARK_STATE/out6\"]}"
  id="$(curl -fsS -H 'Content-Type: application/json' -H 'X-Requested-By: check' -d "$body" "$LIVY_URL/batches" | field id)"
  while state="$(curl -fsS "$LIVY_URL/batches/$id/state" | field state)"; do
    case "$state" in starting | running) sleep 1 ;; *) break ;; esac
  done
  expect "Livy batch" "$state" success
  step "Livy batch success"
fi
