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
  return problem(
    400,
    stackOf([
      'org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.',
      'java.util.concurrent.CompletionException: org.apache.flink.util.FlinkRuntimeException: Could not execute application.',
      ...causes,
    ]),
  );
}

export function duplicate(fake: FakeState): Answer {
  const cause = atLeast(fake, '2.3')
    ? 'org.apache.flink.runtime.client.DuplicateApplicationSubmissionException: Application has already been submitted.'
    : 'org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted.';
  return failedApplication([
    "org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: Failed to execute job 'x'.",
    cause,
  ]);
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
