#!/usr/bin/env bash
# Compiles WordTotals.java with javac alone and packs it: target/word-totals.jar. Prints the path of the jar.
#   FLINK_HOME   a Flink 1.20 or 2.x; default: the newest one in ${TRAMONTANE_ENGINES:-~/.cache/tramontane-engines}
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
engines=${TRAMONTANE_ENGINES:-$HOME/.cache/tramontane-engines}
home=${FLINK_HOME:-$(find "$engines" -maxdepth 2 -path '*/flink-[0-9]*/VERSION' -exec dirname {} + 2>/dev/null | sort -V | tail -n 1)}
[[ -d $home/lib ]] || { echo "build.sh: no Flink in '$home'; run scripts/engines/flink/install.sh or set FLINK_HOME" >&2; exit 1; }

classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac --release 11 -Xlint:-options -cp "$home/lib/*" -d "$classes" "$here/WordTotals.java"
mkdir -p "$here/target"
jar --create --file "$here/target/word-totals.jar.new" --main-class tramontane.examples.WordTotals -C "$classes" .
mv "$here/target/word-totals.jar.new" "$here/target/word-totals.jar"
echo "$here/target/word-totals.jar"
