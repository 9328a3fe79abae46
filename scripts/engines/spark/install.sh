#!/usr/bin/env bash
# Installs Apache Spark (the pyspark package) into a virtual environment.
# usage: install.sh [--where] [VERSION] [DIR]
#   --where  installs nothing: prints SPARK_HOME when it is there, else exits 1
#   VERSION  3.5.9, or a prefix such as 3.5 or 4.1 for the latest of that line; default 3.5
#   DIR      default: ${TRAMONTANE_ENGINES:-$HOME/.cache/tramontane-engines}/spark-VERSION
# Does nothing when DIR already holds that version. The last line printed is SPARK_HOME.
set -euo pipefail
where=no
if [ "${1:-}" = --where ]; then where=yes; shift; fi
version="${1:-3.5}"
dir="${2:-${TRAMONTANE_ENGINES:-$HOME/.cache/tramontane-engines}/spark-$version}"
python="${PYTHON:-python3}"

case "$version" in
  *.*.*) requirement="pyspark==$version" ;;
  *.*) requirement="pyspark==$version.*" ;;
  *) echo "error: VERSION looks like 3.5 or 3.5.9" >&2; exit 2 ;;
esac

spark_home() {
  "$dir/bin/python" -c '
import importlib.metadata as m, pathlib, sys
package = m.distribution("pyspark")
wanted = sys.argv[1].split(".")
if package.version.split(".")[: len(wanted)] != wanted:
    sys.exit("found " + package.version)
home = pathlib.Path(package.locate_file("pyspark"))
if not (home / "bin" / "spark-submit").is_file():
    sys.exit("incomplete")
print(home)
' "$version" 2>/dev/null
}

if [ "$where" = yes ]; then
  [ -e "$dir/.complete" ] && spark_home
  exit
fi

java_version="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)" || true
[ "${java_version:-0}" -ge 17 ] || echo "warning: Java 17 or newer is needed to run Spark (found: ${java_version:-none})" >&2

mkdir -p "$dir"
exec 9>"$dir/.lock"
if command -v flock >/dev/null; then flock 9; fi # two runs may ask for the same version at once
if ! [ -e "$dir/.complete" ] || ! spark_home >/dev/null; then
  rm -f "$dir/.complete"
  "$python" -m venv "$dir" >&2 || { echo "error: '$python -m venv' failed; on Debian install python3-venv" >&2; exit 1; }
  "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$requirement" >&2
  spark_home >/dev/null || { echo "error: pyspark $version is not complete in $dir" >&2; exit 1; }
  touch "$dir/.complete"
fi
spark_home
