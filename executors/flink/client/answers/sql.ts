import { anything, flag, list, map, nullable, object, openWord, optional, text } from '../shapes.ts';

/** Answers of the SQL gateway (spec/flink.md §3.4). */

export const apiVersions = object({ versions: list(text) });
export const gatewayInfo = object({ productName: text, version: text });
export const sessionHandle = object({ sessionHandle: text });
export const sessionProperties = object({ properties: map(text) });
export const operationHandle = object({ operationHandle: text });
export const operationStatus = object({
  status: openWord('INITIALIZED', 'PENDING', 'RUNNING', 'FINISHED', 'CANCELED', 'CLOSED', 'ERROR', 'TIMEOUT'),
});
export const sessionStatus = object({ status: openWord('CLOSED') });

/** NOT_READY has none of the fields that are optional here. */
export const fetchedResults = object({
  resultType: openWord('NOT_READY', 'PAYLOAD', 'EOS'),
  isQueryResult: optional(flag),
  jobID: optional(nullable(text)),
  resultKind: optional(openWord('SUCCESS', 'SUCCESS_WITH_CONTENT')),
  results: optional(
    object({
      columns: list(object({ name: text, logicalType: object({ type: text }), comment: optional(nullable(text)) })),
      rowFormat: optional(text),
      data: list(
        object({ kind: openWord('INSERT', 'UPDATE_BEFORE', 'UPDATE_AFTER', 'DELETE'), fields: list(anything) }),
      ),
    }),
  ),
  nextResultUri: optional(nullable(text)),
});

export const candidates = object({ candidates: list(text) });
export const deployedScript = object({ clusterID: text });
