import { DslError, problemData } from '../../dsl/errors.ts';
import type { DocumentKind } from '../../dsl/index.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { Place } from '../../engine/shell/definitions.ts';
import { checkScope } from '../../engine/shell/definition-rules.ts';
import { readDefinition } from '../body.ts';
import { flagParameter } from '../listing.ts';
import type { ApiRequest, Handler, Reply } from '../request.ts';
import type { Services } from '../services.ts';

/** What workbooks, workflows and actions have in common: a definition as the body, its place in the query. */

export interface Upload {
  readonly text: string;
  readonly place: Place;
}

export async function readUpload(request: ApiRequest): Promise<Upload> {
  const { text, scope: scopeInBody } = await readDefinition(request);
  const scope = request.query.get('scope') || scopeInBody || 'private';
  checkScope(request.caller, scope);
  return {
    text,
    place: { namespace: namespaceOf(request), scope, skipValidation: request.query.has('skip_validation') },
  };
}

export function namespaceOf(request: ApiRequest): string {
  return request.query.get('namespace') ?? '';
}

/** How many problems an answer tells. */
const MAX_PROBLEMS = 1000;

/**
 * Always 200: what is wrong is part of the answer. With `?problems=true` all of it is there as data, warnings included; without,
 * the answer has no keys but the reference's, as recordings of it demand.
 */
export function validateDefinition(services: Services, kind: DocumentKind): Handler {
  return async (request): Promise<Reply> => {
    const { text } = await readDefinition(request);
    const problems = await services.definitions.validate(request.caller, kind, text, namespaceOf(request));
    const errors = problems.filter(({ severity }) => severity === 'error');
    const verdict: JsonObject =
      errors.length === 0 ? { valid: true } : { valid: false, error: new DslError(errors).message };
    if (!flagParameter(request, 'problems')) return { status: 200, body: verdict };
    return { status: 200, body: { ...verdict, problems: problems.slice(0, MAX_PROBLEMS).map(problemData) } };
  };
}
