/**
 * The program that keeps a session on this host (spec/spark.md §9.4): spark-submit runs it in client mode, in a run directory of its own. It talks to
 * the server through files in that directory, each put there by rename, so neither side ever waits for the other and a restart of the
 * server loses nothing:
 *
 *     session.json        ours: language, limits
 *     ready.json          its own, once it takes code
 *     inbox/KEY.json      ours: a statement that is asked for
 *     taken/KEY.json      the same, moved there when its turn has come: what is in here never runs again
 *     results/KEY.json    its own: how the statement ended
 *     cancel/KEY          ours: the statement is not wanted any more
 *     close               ours: the session is not wanted any more
 *     ended.json          its own: why it ended by itself
 *
 * Python 3.8 and later, as PySpark 3.5 wants.
 */
export const HOST_SCRIPT = String.raw`
import ast, base64, contextlib, datetime, decimal, io, json, linecache, math, os, signal, sys, threading, time, traceback

RUN = os.environ["WF_RUN_DIR"]
MAIN, PARENT = threading.main_thread().ident, os.getppid()


def place(*parts):
    return os.path.join(RUN, *parts)


def write(value, *parts):
    path = place(*parts)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".new", path)


def now_ms():
    return int(time.time() * 1000)


class Captured(io.TextIOBase):
    """What a statement prints, up to a bound."""

    def __init__(self, limit):
        self.parts, self.room, self.lock = [], limit, threading.Lock()

    def writable(self):
        return True

    def write(self, text):
        with self.lock:
            if self.room > 0:
                self.parts.append(text[: self.room])
                self.room -= len(text)
                if self.room <= 0:
                    self.parts.append("\n[more was printed than is kept]\n")
        return len(text)

    def text(self):
        with self.lock:
            return "".join(self.parts)


class Statement:
    """The one that runs; cancelled by the watching thread, interrupted in the main one."""

    def __init__(self):
        self.key, self.is_interruptible, self.cancelled_key = None, False, None

    def is_cancelled(self):
        """By key: a cancel of the one before must not hit the next one."""
        return self.key is not None and self.cancelled_key == self.key


class Host:
    def __init__(self, spark, settings):
        self.spark, self.settings = spark, settings
        self.statement, self.count = Statement(), 0
        self.names = {"__name__": "__main__", "__builtins__": __builtins__, "spark": spark, "sc": spark.sparkContext}

    def serve(self):
        signal.signal(signal.SIGINT, self.interrupt)
        threading.Thread(target=self.watch, daemon=True).start()
        context = self.spark.sparkContext
        write({"app_id": context.applicationId, "ui_url": context.uiWebUrl, "spark_version": context.version}, "ready.json")
        idle_since = time.monotonic()
        while True:
            if os.path.exists(place("close")):
                return "closed"
            if not os.path.isdir(RUN):
                return "removed"
            request = self.take()
            if request is not None:
                self.run(request)
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self.settings["idle_seconds"]:
                return "idle"
            else:
                time.sleep(0.05)

    def take(self):
        """The oldest statement that is asked for, and nobody else's any more."""
        waiting = []
        for name in os.listdir(place("inbox")):
            if not name.endswith(".json"):
                continue
            try:
                with open(place("inbox", name), encoding="utf-8") as file:
                    request = json.load(file)
            except (OSError, ValueError):
                continue
            waiting.append((request["at"], name, request))
        for _, name, request in sorted(waiting, key=lambda one: one[:2]):
            # Asked for again after a crash of the server, when it ran already.
            if os.path.exists(place("taken", name)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(place("inbox", name))
                continue
            try:
                os.rename(place("inbox", name), place("taken", name))
            except FileNotFoundError:
                continue  # withdrawn
            return request
        return None

    def run(self, request):
        statement, started = self.statement, now_ms()
        self.count += 1
        out, err = Captured(self.settings["print_limit"]), Captured(self.settings["print_limit"])
        statement.key = request["key"]
        try:
            try:
                self.spark.sparkContext.setJobGroup(request["key"], "session statement %d" % self.count, True)
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    statement.is_interruptible = True
                    data = self.value_of(request, out)
                    statement.is_interruptible = False
                result = {"status": "ok", "data": data}
            except BaseException as error:  # SystemExit of a statement does not end the session
                statement.is_interruptible = False
                result = self.failure(error)
        except KeyboardInterrupt:  # between the last line of the statement and ours
            statement.is_interruptible = False
            result = {"status": "cancelled"}
        statement.key = None
        result.update(started=started, completed=now_ms(), count=self.count, printed=(err.text() + out.text())[-65536:])
        if len(json.dumps(result)) > self.settings["result_limit"]:
            text = "The value is larger than %d bytes; write large data to storage and give its address." % self.settings["result_limit"]
            result = {"status": "error", "ename": "ResultTooLarge", "evalue": text, "traceback": "", "started": started, "completed": now_ms(), "count": self.count, "printed": ""}
        write(result, "results", request["key"] + ".json")

    def failure(self, error):
        if self.statement.is_cancelled():
            return {"status": "cancelled"}
        trace = error.__traceback__
        while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<statement"):
            trace = trace.tb_next
        lines = traceback.format_exception(type(error), error, trace)
        return {"status": "error", "ename": type(error).__name__, "evalue": str(error)[:16384], "traceback": "".join(lines)[-65536:]}

    def value_of(self, request, out):
        if request["kind"] == "sql":
            frame = self.spark.sql(request["code"].strip().rstrip(";"))
            return {"application/json": self.table_of(frame)}
        lines = request["code"].rstrip().split("\n")
        wanted = None
        if lines[-1].startswith("%json "):
            wanted = lines.pop()[len("%json ") :]
        value = self.evaluate("\n".join(lines))
        if wanted is not None:
            return {"application/json": plain(self.evaluate(wanted), self)}
        data, text = {}, out.text()
        if value is not None:
            image = image_of(value)
            if image is not None:
                data["image/png"] = image
            text += repr(value)[: self.settings["print_limit"]]
        if text != "":
            data["text/plain"] = text
        return data

    def evaluate(self, code):
        """Runs the code; its value is that of its last line, as in a shell."""
        name = "<statement %d>" % self.count
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), self.names)
        return None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), self.names)

    def table_of(self, frame):
        limit = self.settings["max_rows"]
        rows = frame.take(limit + 1)
        table = {"schema": json.loads(frame.schema.json()), "data": [[plain(cell, self) for cell in row] for row in rows[:limit]]}
        if len(rows) > limit:
            table["truncated"] = True
        return table

    def watch(self):
        """In its own thread: presses a cancel as long as the statement goes on, since it may begin further Spark jobs."""
        while True:
            time.sleep(0.1)
            if os.getppid() != PARENT:
                os._exit(1)  # Java is gone, and with it all that the session could do
            statement = self.statement
            key = statement.key
            if key is None or not (os.path.exists(place("cancel", key)) or os.path.exists(place("close"))):
                continue
            statement.cancelled_key = key
            with contextlib.suppress(Exception):
                self.spark.sparkContext.cancelJobGroup(key)
            with contextlib.suppress(ProcessLookupError):
                signal.pthread_kill(MAIN, signal.SIGINT)
            time.sleep(1)

    def interrupt(self, number, frame):
        """Not within a call to Java: its answer would be taken for that of the next call. Such a call ends by the cancelled job group."""
        if not (self.statement.is_interruptible and self.statement.is_cancelled()):
            return
        while frame is not None:
            if "py4j" in frame.f_code.co_filename:
                return
            frame = frame.f_back
        raise KeyboardInterrupt


def image_of(value):
    if hasattr(value, "_repr_png_"):
        picture = value._repr_png_()
    elif hasattr(value, "savefig"):
        file = io.BytesIO()
        value.savefig(file, format="png")
        picture = file.getvalue()
    else:
        return None
    return None if picture is None else base64.b64encode(picture).decode("ascii")


def plain(value, host):
    """As JSON: what JSON does not know becomes text, decimals become numbers."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if hasattr(value, "asDict"):
        return {str(key): plain(one, host) for key, one in value.asDict().items()}
    if isinstance(value, dict):
        return {str(key): plain(one, host) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one, host) for one in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, "schema") and hasattr(value, "take"):
        return host.table_of(value)
    return plain(value.tolist(), host) if hasattr(value, "tolist") else str(value)


def main():
    with open(place("session.json"), encoding="utf-8") as file:
        settings = json.load(file)
    for name in ("inbox", "taken", "results", "cancel"):
        os.makedirs(place(name), mode=0o700, exist_ok=True)
    if os.path.exists(place("close")):
        return
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    why = Host(spark, settings).serve()
    # Whatever hangs in Spark's own end must not keep the session's process.
    timer = threading.Timer(30, os._exit, [0])
    timer.daemon = True
    timer.start()
    if why != "removed":
        write({"reason": why, "at": now_ms()}, "ended.json")
    spark.stop()


main()
`;
