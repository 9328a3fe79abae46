/** What Spark's log tells about an application (spec/spark.md §6). All of it is optional. */
export interface LogFacts {
  readonly appId: string | null;
  readonly uiUrl: string | null;
}

export function readLogFacts(text: string): LogFacts {
  return { appId: appIdIn(text), uiUrl: uiUrlIn(text) };
}

/**
 * The line that says why: the last `Caused by:`, else the last line of a Python traceback, else the last ERROR line; null when the log has
 * none of them (spec/spark.md §8.1).
 */
export function rootCauseIn(lines: readonly string[]): string | null {
  const cause = lastOf(lines, /^\s*(?:: )?Caused by: (.+)$/);
  // Java names a Python exception by the first line of its traceback, which says nothing.
  const isPython = cause?.endsWith('Traceback (most recent call last):') ?? false;
  return (
    (isPython ? lastOf(lines, PYTHON_ERROR) : null) ??
    cause ??
    lastOf(lines, PYTHON_ERROR) ??
    lastOf(lines, ERROR_LINE) ??
    lastOf(lines, PLAIN_ERROR)
  );
}

const PYTHON_ERROR = /^((?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)(?:: .*)?)$/;
const ERROR_LINE = /^(?:\d\d(?:\d\d)?[/-]\d\d[/-]\d\d \d\d:\d\d:\d\d(?:[.,]\d+)? )?ERROR (.+)$/;
/** spark-submit's own complaints, and uncaught Java exceptions. */
const PLAIN_ERROR = /^((?:Error:|Exception in thread|python3?: can't open file).*)$/;

function appIdIn(text: string): string | null {
  // Spark 4 tells that of a local run only in the name of its event log: `eventlog_v2_local-…`.
  return /(?:\b|_)(app-\d{14}-\d{4,}|application_\d+_\d+|local-\d{10,})\b/.exec(text)?.[1] ?? null;
}

function uiUrlIn(text: string): string | null {
  const started = /SparkUI[^\n]* started at (https?:\/\/\S+)/.exec(text)?.[1];
  if (started !== undefined) return started;
  // In local mode only the port is said; the driver is on this host.
  const port = /Successfully started service 'SparkUI' on port (\d+)/.exec(text)?.[1];
  return port === undefined ? null : `http://127.0.0.1:${port}`;
}

function lastOf(lines: readonly string[], pattern: RegExp): string | null {
  for (let i = lines.length - 1; i >= 0; i--) {
    const found = pattern.exec(lines[i] ?? '')?.[1];
    if (found !== undefined) return found.trim();
  }
  return null;
}
