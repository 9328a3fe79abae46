import type { ActionResult } from '../../../engine/contract.ts';
import { EgressError } from '../../egress.ts';
import { RemoteError } from '../../http-client.ts';
import { SPARK_CODES, type SparkCode } from '../outcome.ts';
import { SparkApiError } from './errors.ts';

/** What a failed call says about the action (spec/spark.md §8.1). */
export function callFailed(error: unknown, backend: string, id: string | null = null): ActionResult {
  const { code, retryable, status } = describe(error);
  const message = error instanceof Error ? error.message : String(error);
  const text = error instanceof SparkApiError ? error.text : null;
  return { kind: 'error', output: { code, message, backend, id, status, answer: text, retryable }, retryable };
}

function describe(error: unknown): {
  readonly code: SparkCode;
  readonly retryable: boolean;
  readonly status: number | null;
} {
  if (error instanceof SparkApiError) return { code: error.code, retryable: error.retryable, status: error.status };
  if (error instanceof EgressError) return { code: 'SPARK_BAD_INPUT', retryable: false, status: null };
  if (error instanceof RemoteError) {
    const isFinal = error.fault === 'bad-url' || error.fault === 'blocked';
    const code = isFinal ? 'SPARK_BAD_INPUT' : 'SPARK_UNREACHABLE';
    return { code, retryable: SPARK_CODES[code], status: error.status };
  }
  return { code: 'SPARK_BAD_INPUT', retryable: false, status: null };
}

/** `passing`: nothing was started, and another try may be made. `unclear`: something may have been. `final`: the answer stands. */
export function natureOf(error: unknown): 'passing' | 'unclear' | 'final' {
  if (error instanceof SparkApiError) {
    if (error.status >= 500) return 'unclear';
    return error.retryable ? 'passing' : 'final';
  }
  if (error instanceof RemoteError) {
    if (error.fault === 'bad-url' || error.fault === 'blocked' || error.fault === 'tls') return 'final';
    return error.notSent ? 'passing' : 'unclear';
  }
  return error instanceof EgressError || error instanceof TypeError ? 'final' : 'unclear';
}

/** A proxy or a server that is just not there: 502, 503, 504. */
export function isAway(error: unknown): boolean {
  return error instanceof SparkApiError && error.code === 'SPARK_UNREACHABLE';
}
