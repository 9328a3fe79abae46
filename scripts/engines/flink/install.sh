#!/usr/bin/env bash
# Fetches the jars of one Flink version through Maven: no Docker, no Flink archive.
#
#   install.sh [--sql] [VERSION] [DIR]
#   install.sh --where [VERSION] [DIR]      installs nothing: prints FLINK_HOME when it is there, else exits 1
#
# VERSION  1.20 (default), 2 or any exact version such as 1.20.5, 2.2.1
# DIR      default ${TRAMONTANE_ENGINES:-$HOME/.cache/tramontane-engines}/flink-VERSION
# --sql    adds the table jars and the SQL gateway (58 to 63 MB more). Not every patch release has them all: when
#          this was written 1.20.0 and 2.3.0 could be fetched, 1.20.1 to 1.20.5 missed between one and seven of them
#
# Running it again is free. The last line of stdout is FLINK_HOME; everything else goes to stderr.
set -euo pipefail

log4j_version=2.24.3   # for slf4j 1.7, which every Flink from 1.15 to 2.3 uses
dependency_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.6.1

sql=no where=no
positional=()
for argument in "$@"; do
  case $argument in
    --sql) sql=yes ;;
    --where) where=yes ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "install.sh: unknown option $argument (known: --sql, --where)" >&2; exit 2 ;;
    *) positional+=("$argument") ;;
  esac
done

version=${positional[0]:-1.20}
case $version in
  1.20) version=1.20.5 ;;
  2 | 2.x | 2.3) version=2.3.0 ;;
esac
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "install.sh: '$version' is not a version such as 1.20.5" >&2; exit 2; }
home=${positional[1]:-${TRAMONTANE_ENGINES:-$HOME/.cache/tramontane-engines}/flink-$version}

if [[ $where == yes ]]; then
  [[ -f $home/VERSION && -f $home/lib/.complete ]] || exit 1
  echo "$home"
  exit
fi

for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "install.sh: '$tool' is missing" >&2; exit 1; }
done

mkdir -p "$home"
home=$(cd "$home" && pwd)
exec 9>"$home/.lock"
command -v flock >/dev/null && flock 9   # two test runs may ask for the same version at once

# fetch NAME ARTIFACT...: fills $home/NAME with the artifacts; leaves the folder untouched when it is complete.
# With "transitive" as second word the artifacts' own dependencies come along.
fetch() {
  local name=$1 depth=$2; shift 2
  [[ -f $home/$name/.complete && $(cat "$home/$name/.complete") == "$version $*" ]] && return
  local project; project=$(mktemp -d)
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>tramontane</groupId><artifactId>flink-jars</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    local artifact
    for artifact in "$@"; do
      IFS=: read -r group id number <<<"$artifact"
      echo "<dependency><groupId>$group</groupId><artifactId>$id</artifactId><version>$number</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$project/pom.xml"
  local exclude=()
  [[ $depth == flat ]] && exclude=(-DexcludeTransitive=true)
  rm -rf "$home/$name.part"
  if ! mvn -B -ntp -q -U -f "$project/pom.xml" "$dependency_plugin:copy-dependencies" \
      -DincludeScope=runtime -DoutputDirectory="$home/$name.part" ${exclude[@]+"${exclude[@]}"} >"$project/log" 2>&1; then
    grep -m 1 ERROR "$project/log" >&2 || cat "$project/log" >&2
    rm -rf "$project" "$home/$name.part"
    [[ -f $home/VERSION ]] || { rm -f "$home/.lock"; rmdir "$home"; } 2>/dev/null || true
    echo "install.sh: could not fetch Flink $version" >&2
    exit 1
  fi
  rm -rf "$project" "${home:?}/$name"
  echo "$version $*" >"$home/$name.part/.complete"
  mv "$home/$name.part" "$home/$name"
}

flink=org.apache.flink
log4j=org.apache.logging.log4j

# What flink-dist holds, without the parts nobody needs here. flink-dist itself is not published.
fetch lib transitive \
  "$flink:flink-clients:$version" "$flink:flink-runtime-web:$version" \
  "$log4j:log4j-slf4j-impl:$log4j_version" "$log4j:log4j-core:$log4j_version" "$log4j:log4j-api:$log4j_version"

if [[ $sql == yes ]]; then
  # Both the cluster and the gateway need these once SQL jobs run.
  fetch table flat \
    "$flink:flink-table-api-java-uber:$version" "$flink:flink-table-runtime:$version" \
    "$flink:flink-connector-files:$version" "$flink:flink-csv:$version" "$flink:flink-json:$version" "$flink:flink-cep:$version"
  # The gateway alone needs these.
  fetch gateway flat \
    "$flink:flink-sql-gateway:$version" "$flink:flink-sql-gateway-api:$version" "$flink:flink-table-planner-loader:$version"
fi

echo "$version" >"$home/VERSION"
echo "Flink $version: $(du -shL "$home" | cut -f1) in $home" >&2
echo "$home"
