import { TramontaneError } from '../../../dsl/errors.ts';
import { isJsonObject, parseJson, type Json } from '../../../dsl/json.ts';
import type { SparkCode } from '../outcome.ts';

/** An answer that is no success. Its text may be JSON, plain text, a Java stack trace or a proxy's page (spec/spark.md §2.2, §4.1). */
export class SparkApiError extends TramontaneError {
  override readonly name = 'SparkApiError';
  override readonly code: SparkCode;
  readonly status: number;
  /** What the server said, in one line. */
  readonly reason: string;
  /** The first characters of the answer. */
  readonly text: string;
  /** Whether another try may help: limits, and servers that are not there now. */
  readonly retryable: boolean;

  constructor(answer: {
    readonly title: string;
    readonly method: string;
    readonly path: string;
    readonly status: number;
    readonly text: string;
  }) {
    const reason = reasonIn(answer.text);
    const code = codeOf(answer.status);
    super(
      code,
      `${answer.title} answered ${answer.status} to ${answer.method} ${answer.path}${reason === '' ? '' : `: ${reason}`}`,
      { details: { status: answer.status } },
    );
    this.code = code;
    this.status = answer.status;
    this.reason = reason;
    this.text = answer.text.slice(0, LONGEST_TEXT);
    this.retryable = code === 'SPARK_UNREACHABLE' || (answer.status < 500 && LIMIT.test(answer.text));
  }
}

/** Refusals that pass by themselves: too many sessions or batches at once (spec/spark.md §8.1). */
const LIMIT = /too many|maxRunning|limit (?:is )?reached/i;
const LONGEST_TEXT = 16 * 1024;

function codeOf(status: number): SparkCode {
  if (status === 401 || status === 403) return 'SPARK_AUTH';
  if (status === 502 || status === 503 || status === 504) return 'SPARK_UNREACHABLE';
  return 'SPARK_REJECTED';
}

/** The telling line of an answer: `msg` of Livy, `message` of Lighter and Spark, else the first line that is no markup. */
export function reasonIn(text: string): string {
  const message = messageIn(text);
  const plain = message ?? text.replace(/<(head|style|script)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  const line = plain.split('\n').find((one) => one.trim() !== '') ?? '';
  return line.replace(/\s+/g, ' ').trim().slice(0, 500);
}

function messageIn(text: string): string | null {
  let value: Json;
  try {
    value = parseJson(text);
  } catch {
    return null;
  }
  if (typeof value === 'string') return value;
  if (!isJsonObject(value)) return null;
  const errors = Array.isArray(value.errors) ? value.errors : [];
  const [first] = errors;
  const inner = isJsonObject(first) ? first.message : first;
  for (const found of [value.msg, inner, value.message]) if (typeof found === 'string' && found !== '') return found;
  return null;
}
