import { atLeast, type Answer, type FakeState } from './state.ts';

/** Answers and refusals in Flink's words. */

export function ok(body: unknown, status = 200): Answer {
  return { status, body };
}

export function problem(status: number, text: string): Answer {
  return { status, body: { errors: [text] } };
}

export function refusal(status: number, text: string): Answer {
  return problem(status, stackOf([`org.apache.flink.runtime.rest.handler.RestHandlerException: ${text}`]));
}

export function serverProblem(text: string): Answer {
  return {
    status: 500,
    body: {
      errors: [
        'Internal server error.',
        `<Exception on server side:\n${text}\n\tat org.apache.flink.Fake.call(Fake.java:1)\n\nEnd of exception on server side>`,
      ],
    },
  };
}

export function failedApplication(causes: readonly string[]): Answer {
  const failed = 'org.apache.flink.util.FlinkRuntimeException: Could not execute application.';
  return problem(
    400,
    stackOf([
      'org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.',
      `java.util.concurrent.CompletionException: ${failed}`,
      failed,
      ...causes,
    ]),
  );
}

/** An exception in main(), or one that says so; `cause` may be several lines of a stack. */
export function failedMain(cause: string): string {
  const [, message = cause] = /^[\w.$]+: ([^\n]*)/.exec(cause) ?? [];
  return `org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: ${message}`;
}

/** What execute() throws in main() when the cluster does not take the job. */
export function failedExecute(name: string, causes: readonly string[]): Answer {
  const failed = `org.apache.flink.util.FlinkException: Failed to execute job '${name}'.`;
  return failedApplication([failedMain(failed), failed, ...causes]);
}

export function duplicate(fake: FakeState, name: string): Answer {
  const cause = atLeast(fake, '2.3')
    ? 'org.apache.flink.runtime.client.DuplicateApplicationSubmissionException: Application has already been submitted.'
    : 'org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted.';
  return failedExecute(name, [cause]);
}

/** `what` could not be done because of the parameters. */
export function badParameter(where: 'path' | 'query', name: string, value: string): Answer {
  const cause = `Cannot resolve ${where} parameter (${name}) from value "${value}".`;
  const prefix = 'org.apache.flink.runtime.rest.handler';
  return problem(
    400,
    stackOf([
      `${prefix}.RestHandlerException: Bad request, could not parse parameters: ${cause}`,
      `${prefix}.HandlerRequestException: ${cause}`,
    ]),
  );
}

export function stopRemoved(): Answer {
  return refusal(
    308,
    'The termination mode "stop" has been removed. For an ungraceful shutdown, please use "cancel" instead. For a graceful shutdown, please use "jobs/:jobId/stop" instead.',
  );
}

export function unknownJob(id: string, status: number): Answer {
  const cause = `org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (${id})`;
  return status === 500
    ? serverProblem(cause)
    : problem(404, stackOf([`org.apache.flink.runtime.rest.NotFoundException: Job ${id} not found`, cause]));
}

export function stackOf(causes: readonly string[]): string {
  return causes
    .map(
      (cause, index) =>
        `${index === 0 ? '' : 'Caused by: '}${cause}\n\tat org.apache.flink.Fake.call(Fake.java:${index + 1})\n`,
    )
    .join('');
}

/** State of an operation on the wire; `polls` counts down while it is under way. */
export function operation(
  found: { polls: number; readonly failure: string | null },
  done: Readonly<Record<string, unknown>>,
  causeKey = 'failure-cause',
): Answer {
  if (found.polls > 0) {
    found.polls--;
    return ok({ status: { id: 'IN_PROGRESS' }, operation: null });
  }
  if (found.failure === null) return ok({ status: { id: 'COMPLETED' }, operation: done });
  const cause = { class: found.failure.split(':')[0], 'stack-trace': found.failure, 'serialized-throwable': '' };
  return ok({ status: { id: 'COMPLETED' }, operation: { [causeKey]: cause } });
}
