import { isJsonObject, parseJson } from '../../../dsl/json.ts';
import { TramontaneError } from '../../../dsl/errors.ts';

export type FlinkErrorCode =
  | 'FLINK_JAR_NOT_FOUND'
  | 'FLINK_PROGRAM_ERROR'
  | 'FLINK_DUPLICATE_JOB'
  | 'FLINK_NO_SAVEPOINT_DIR'
  | 'FLINK_BAD_REQUEST'
  | 'FLINK_NO_SUCH_ENDPOINT'
  | 'FLINK_JOB_NOT_FOUND'
  | 'FLINK_TRIGGER_UNKNOWN'
  | 'FLINK_JOB_ALREADY_TERMINATED'
  | 'FLINK_TOO_LARGE'
  | 'FLINK_UNAVAILABLE'
  | 'FLINK_AUTH'
  | 'FLINK_STOP_MODE_REMOVED'
  | 'FLINK_TIMEOUT_IN_SERVER'
  | 'FLINK_SERVER_ERROR'
  | 'FLINK_NOT_FOUND'
  | 'FLINK_NO_CHECKPOINTING'
  | 'FLINK_TASKMANAGER_NOT_FOUND'
  | 'FLINK_RESCALING_DISABLED'
  | 'FLINK_RESCALING_UNSUPPORTED'
  | 'FLINK_SUBMIT_DISABLED'
  | 'FLINK_SQL_ERROR'
  | 'FLINK_SQL_SESSION_UNKNOWN';

/** An answer that is no success. Proxies answer HTML, so the text may be anything. */
export class FlinkApiError extends TramontaneError {
  override readonly name = 'FlinkApiError';
  readonly status: number;
  readonly method: string;
  readonly path: string;
  /** As Flink sent them: class, message and stack trace in one text. */
  readonly errors: readonly string[];
  /** The last `Caused by:` line, or the first line. */
  readonly rootCause: string;
  readonly retryable: boolean;

  constructor(
    answer: { status: number; method: string; path: string; text: string },
    explanation: { readonly code: FlinkErrorCode; readonly message: string } | null = null,
  ) {
    const errors = errorsOf(answer.text);
    const whole = errors.join('\n');
    const classified = classify(answer.status, whole, answer.path);
    const [code, retryable] = explanation === null ? classified : ([explanation.code, false] as const);
    const rootCause = explanation?.message ?? rootCauseOf(whole);
    super(code, `${answer.method} ${answer.path} answered ${answer.status}: ${rootCause}`, {
      details: { status: answer.status },
    });
    this.status = answer.status;
    this.method = answer.method;
    this.path = answer.path;
    this.errors = errors.map((text) => text.slice(0, LONGEST_TEXT));
    this.rootCause = rootCause;
    this.retryable = retryable;
  }

  /** The same answer, of which more is known than it says. */
  explained(code: FlinkErrorCode, message: string): FlinkApiError {
    const { status, method, path } = this;
    return new FlinkApiError(
      { status, method, path, text: JSON.stringify({ errors: this.errors }) },
      { code, message },
    );
  }
}

/** The cluster is too old for what is asked for. No call was made. */
export class UnsupportedError extends TramontaneError {
  override readonly name = 'UnsupportedError';

  constructor(what: string, needed: string, found: string) {
    super('FLINK_UNSUPPORTED', `${what} needs Flink ${needed}; the cluster runs ${found}.`, {
      details: { what, needed, found },
    });
  }
}

/** The innermost cause of a Java stack trace as `class: message`; the first line when there is only one. */
export function rootCauseOf(stack: string): string {
  const lines = stack.split('\n').map((line) => line.trim());
  const causes = lines.filter((line) => line.startsWith('Caused by: ')).map((line) => line.slice('Caused by: '.length));
  const first = lines.find(
    (line) => line !== '' && line !== 'Internal server error.' && !line.startsWith('<Exception on server side:'),
  );
  const cause = causes.at(-1) ?? first?.replace(/^<Exception on server side:\s*/, '') ?? '';
  return unwrapped(cause).slice(0, 2000);
}

/** `a.CompletionException: b.RealException: text` says the same twice: the inner name counts. */
function unwrapped(cause: string): string {
  const match = /^[\w.$]*(?:CompletionException|ExecutionException): ((?:[\w$]+\.)+[\w$]+(?::|$).*)$/.exec(cause);
  return match?.[1] ?? cause;
}

/** The call itself is wrong: an id, a key, a value. No call was made. */
export class CallError extends TramontaneError {
  override readonly name = 'CallError';

  constructor(message: string) {
    super('FLINK_BAD_REQUEST', message);
  }
}

/** By exception name and message first, by status second (spec/flink.md §1.1). */
function classify(status: number, text: string, path: string): readonly [FlinkErrorCode, retryable: boolean] {
  const isStart = /\/jars\/[^/]+\/(?:run|plan)/.test(path);
  if (/Duplicate(?:Job|Application)SubmissionException/.test(text)) return ['FLINK_DUPLICATE_JOB', false];
  if (isStart && /Jar file .* does not exist/.test(text)) return ['FLINK_JAR_NOT_FOUND', false];
  if (/File .* does not exist in /.test(text)) return ['FLINK_JAR_NOT_FOUND', false];
  if (isStart && (/ProgramInvocationException/.test(text) || /Could not execute application/.test(text)))
    return ['FLINK_PROGRAM_ERROR', false];
  if (/FlinkJobNotFoundException|Job [0-9a-f]{32} not found/.test(text)) return ['FLINK_JOB_NOT_FOUND', false];
  if (/There is no savepoint operation|Operation not found under key/.test(text))
    return ['FLINK_TRIGGER_UNKNOWN', false];
  if (/Config key \[.*\] is not set/.test(text)) return ['FLINK_NO_SAVEPOINT_DIR', false];
  if (/POST request not allowed|Not found: \/|Unable to load requested file/.test(text))
    return ['FLINK_NO_SUCH_ENDPOINT', false];
  if (/UnknownTaskExecutorException/.test(text)) return ['FLINK_TASKMANAGER_NOT_FOUND', false];
  if (/Rescaling is temporarily disabled/.test(text)) return ['FLINK_RESCALING_DISABLED', false];
  if (/does not support changing the parallelism without a job restart/.test(text))
    return ['FLINK_RESCALING_UNSUPPORTED', false];
  if (/Checkpointing has not been enabled/.test(text)) return ['FLINK_NO_CHECKPOINTING', false];
  if (/Session '[^']*' does not exist|Can not find the submitted operation/.test(text))
    return ['FLINK_SQL_SESSION_UNKNOWN', false];
  if (/org\.apache\.flink\.table\.gateway\./.test(text) && status !== 503) return ['FLINK_SQL_ERROR', false];
  switch (status) {
    case 308:
      return ['FLINK_STOP_MODE_REMOVED', false];
    case 401:
    case 403:
      return ['FLINK_AUTH', false];
    case 404:
      return ['FLINK_NOT_FOUND', false];
    case 408:
      return ['FLINK_TIMEOUT_IN_SERVER', true];
    case 409:
      return ['FLINK_JOB_ALREADY_TERMINATED', false];
    case 413:
      return ['FLINK_TOO_LARGE', false];
    case 502:
    case 503:
    case 504:
      return ['FLINK_UNAVAILABLE', true];
    default:
      return status >= 500 ? ['FLINK_SERVER_ERROR', true] : ['FLINK_BAD_REQUEST', false];
  }
}

function errorsOf(text: string): readonly string[] {
  try {
    const value = parseJson(text);
    if (isJsonObject(value) && Array.isArray(value.errors))
      return value.errors.filter((one) => typeof one === 'string');
  } catch {
    // A proxy's page: its text is all there is.
  }
  return [
    text
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, 500),
  ];
}

const LONGEST_TEXT = 16 * 1024;
