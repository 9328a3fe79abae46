import type { JsonObject } from '../../../dsl/json.ts';
import { success } from '../../action.ts';
import type { JobBackend, SubmitOutcome } from '../../jobs/backend.ts';
import { refused } from '../outcome.ts';
import { SparkApiError } from '../systems/errors.ts';
import { callFailed, natureOf } from '../systems/failures.ts';
import { clientOf, serverOf, type SparkServers } from '../systems/servers.ts';

/** `spark.session.close` of a session on Livy or Lighter: one call, which may be repeated. */
export function remoteCloseBackend(
  system: 'livy' | 'lighter',
  servers: SparkServers,
  translate: (input: JsonObject) => JsonObject,
): JobBackend {
  return {
    name: `spark-${system}-session-end`,
    refusesDuplicates: true,
    prepare: (input) => {
      const found = serverOf(translate(input), system, servers);
      if ('problem' in found) return { kind: 'refused', result: found.problem };
      return {
        kind: 'prepared',
        plan: {
          url: null,
          server: `${system} ${found.server.urls[0] ?? ''}`,
          data: {},
          timeoutSeconds: null,
          onTimeout: 'leave',
          onCancel: 'leave',
          pollMs: { first: 0, longest: 1000 },
          notFoundGraceMs: 0,
          slots: null,
        },
      };
    },
    submit: async (_job, request, context): Promise<SubmitOutcome> => {
      const input = translate(request.input);
      const found = serverOf(input, system, servers);
      if ('problem' in found) return { kind: 'refused', result: found.problem };
      try {
        const id = input.session_id ?? null;
        await clientOf(system, found.server).call(`${system}.sessions.delete`, { id }, context.signal);
        return { kind: 'submitted' };
      } catch (error) {
        if (error instanceof SparkApiError && error.status === 404) return { kind: 'submitted' };
        const result = callFailed(error, system);
        if (natureOf(error) === 'final') return { kind: 'refused', result };
        return { kind: 'later', reason: error instanceof Error ? error.message : String(error), giveUp: result };
      }
    },
    find: async () => ({ kind: 'absent' }),
    state: async () => ({ kind: 'ended', state: 'closed', result: success(null) }),
    cancel: async () => ({}),
    giveUp: async (_job, why) =>
      why.kind === 'cancelled'
        ? { kind: 'cancelled', output: refused('SPARK_CANCELLED', 'Cancelled; the session may end.', system).output }
        : refused('SPARK_UNREACHABLE', 'The session could not be closed.', system),
  };
}
