#!/usr/bin/env bash
# Starts a Flink session cluster on the loopback interface: one job manager and its task managers.
#
#   start-session.sh [--home DIR] [--port 8081] [--rpc-port N] [--state DIR] [--taskmanagers 1] [--slots 4]
#                    [--bare] [-D key=value]...
#
# --port   of the REST API; 0 takes a free pair of ports (REST and RPC)
# --home   what install.sh printed; default $FLINK_HOME, else the newest version in the engines folder
# --state  configuration, logs, pids, uploads, checkpoints and savepoints;
#          default ${TMPDIR:-/tmp}/tramontane-flink-PORT
# --bare   no checkpoint and savepoint folders, no guard against System.exit in a job's main()
# -D       any Flink option, for instance -D jobmanager.scheduler=adaptive
#
# Returns once every slot is there. Prints FLINK_REST_URL=… and FLINK_STATE=… (fit for `eval`).
set -euo pipefail

home=${FLINK_HOME:-} port=${FLINK_REST_PORT:-8081} rpc_port='' state='' taskmanagers=1 slots=4 bare=no options=()
while (($#)); do
  case $1 in
    --home) home=$2; shift 2 ;;
    --port) port=$2; shift 2 ;;
    --rpc-port) rpc_port=$2; shift 2 ;;
    --state) state=$2; shift 2 ;;
    --taskmanagers) taskmanagers=$2; shift 2 ;;
    --slots) slots=$2; shift 2 ;;
    --bare) bare=yes; shift ;;
    -D) options+=(-D "$2"); shift 2 ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "start-session.sh: unknown option $1" >&2; exit 2 ;;
  esac
done
engines=${TRAMONTANE_ENGINES:-$HOME/.cache/tramontane-engines}
[[ -n $home ]] || home=$(find "$engines" -path '*/flink-[0-9]*/VERSION' 2>/dev/null | sort -V | tail -n 1) home=${home%/VERSION}
compgen -G "$home/lib/flink-*.jar" >/dev/null || { echo "start-session.sh: no Flink in '$home'; run install.sh first" >&2; exit 1; }

# Below 32768: from there up the system hands out ports to outgoing connections.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
if [[ $port == 0 ]]; then
  for ((i = 0; i < 100; i++)); do
    port=$((20000 + RANDOM % 12000))
    if port_free "$port" && port_free "${rpc_port:-$((port - 1958))}"; then break; fi
  done
fi
state=${state:-${TMPDIR:-/tmp}/tramontane-flink-$port}
rpc_port=${rpc_port:-$((port - 1958))}   # 8081 gives Flink's usual 6123

here=$(cd "$(dirname "$0")" && pwd)
url=http://127.0.0.1:$port
port_free "$port" || { echo "start-session.sh: something already answers on port $port" >&2; exit 1; }
if ls "$state"/*.pid >/dev/null 2>&1; then
  "$here/stop-session.sh" --state "$state" >&2   # left over from a crash
fi

mkdir -p "$state"/{conf,log,tmp,upload,checkpoints,savepoints}
state=$(cd "$state" && pwd)
rm -rf "$state"/upload/* "$state"/tmp/*

# Sizes: task.heap + managed + network are compulsory when the task manager starts without Flink's own scripts.
cat >"$state/conf/config.yaml" <<YAML
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: $rpc_port
jobmanager.bind-host: 127.0.0.1
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: $port
rest.bind-port: $port
rest.flamegraph.enabled: true
rest.profiling.enabled: true
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: $slots
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 96m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.managed.size: 64m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.jvm-metaspace.size: 160m
taskmanager.memory.jvm-overhead.min: 128m
taskmanager.memory.jvm-overhead.max: 128m
io.tmp.dirs: $state/tmp
web.submit.enable: true
web.cancel.enable: true
web.upload.dir: $state/upload
execution.checkpointing.num-retained: 3
restart-strategy.type: none
pekko.ask.timeout: 60 s
YAML
# The guard is a Java security manager: allowed up to Java 23, gone in 24.
java_major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
guard=()
if [[ $bare == no ]]; then
  cat >>"$state/conf/config.yaml" <<YAML
execution.checkpointing.dir: file://$state/checkpoints
execution.checkpointing.savepoint-dir: file://$state/savepoints
YAML
  if ((java_major < 24)); then
    echo 'cluster.intercept-user-system-exit: THROW' >>"$state/conf/config.yaml"
    guard=(-Djava.security.manager=allow)
  fi
fi
cat >"$state/conf/log4j.properties" <<'PROPERTIES'
monitorInterval = 0
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = MainAppender
appender.main.name = MainAppender
appender.main.type = File
appender.main.fileName = ${sys:log.file}
appender.main.layout.type = PatternLayout
appender.main.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
logger.netty.name = org.apache.flink.shaded.akka.org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
PROPERTIES

folders=("$home/lib")
[[ ! -d $home/table ]] || folders+=("$home/table")
class_path=$(find "${folders[@]}" -name '*.jar' | sort | paste -sd: -)
opens=(--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED)
for package in java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util \
  java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks; do
  opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done

detach=(nohup)
command -v setsid >/dev/null && detach=(setsid)   # macOS has none

# launch NAME JVM-OPTION... MAIN-CLASS: a process that outlives this shell; its pid goes to $state/NAME.pid
launch() {
  local name=$1; shift
  "${detach[@]}" java "${opens[@]}" ${guard[@]+"${guard[@]}"} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$state/tmp" \
    -Dlog.file="$state/log/$name.log" -Dlog4j.configurationFile="file:$state/conf/log4j.properties" \
    -cp "$class_path" "$@" --configDir "$state/conf" ${options[@]+"${options[@]}"} \
    >"$state/log/$name.out" 2>&1 </dev/null &
  echo "$!" >"$state/$name.pid"
}

launch jobmanager -Xms128m -Xmx400m -XX:MaxMetaspaceSize=192m \
  org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint
for ((n = 0; n < taskmanagers; n++)); do
  launch "taskmanager-$n" -Xms352m -Xmx352m -XX:MaxDirectMemorySize=128m -XX:MaxMetaspaceSize=160m \
    org.apache.flink.runtime.taskexecutor.TaskManagerRunner
done

# Without curl: a fresh machine may have none.
overview() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
    printf 'GET /v1/overview HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
    timeout 2 cat <&3
  ) 2>/dev/null
}

wanted=$((taskmanagers * slots))
for ((i = 0; i < 240; i++)); do
  for file in "$state"/*.pid; do
    kill -0 "$(cat "$file")" 2>/dev/null && continue
    echo "start-session.sh: $(basename "$file" .pid) died; last lines of its log:" >&2
    grep -hE '^Caused by|Exception: ' "$state/log/$(basename "$file" .pid).log" | tail -n 8 >&2 || true
    tail -n 15 "$state/log/$(basename "$file" .pid)".{log,out} >&2 || true
    "$here/stop-session.sh" --state "$state" >&2
    exit 1
  done
  if overview | grep -q "\"slots-total\":$wanted\\b"; then
    echo "FLINK_REST_URL=$url"
    echo "FLINK_STATE=$state"
    exit 0
  fi
  sleep 0.5
done
echo "start-session.sh: no $wanted slots within 120 s; see $state/log" >&2
"$here/stop-session.sh" --state "$state" >&2
exit 1
