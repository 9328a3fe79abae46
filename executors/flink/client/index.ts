export { FlinkClient, type BoundVertex, type FlinkAuth, type FlinkServer } from './client.ts';
export { CallError, FlinkApiError, rootCauseOf, UnsupportedError, type FlinkErrorCode } from './errors.ts';
export { RemoteError } from '../../http-client.ts';
export { actionNameOf, ENDPOINT_NAMES, ENDPOINTS, OTHER_ROUTES, type EndpointName } from './endpoints.ts';
export type { Endpoint, OtherRoute, Param } from './endpoint.ts';
export type { AsyncResult, Figures, FlinkCause } from './answer.ts';
export type { AnswerOf, CallOptions, JobDetails, OptionsOf } from './methods.ts';
export { problemsOf } from './shapes.ts';
export { parseVersion, type FlinkVersion } from './version.ts';
