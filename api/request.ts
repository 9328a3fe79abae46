import type { ServerResponse } from 'node:http';
import type { Router, RouterContext } from '@koa/router';
import { stringifyJson } from '../dsl/json.ts';
import type { Json } from '../dsl/json.ts';
import { EngineError } from '../engine/errors.ts';
import type { Caller } from '../engine/facade.ts';
import type { Access } from './auth/index.ts';
import type { Identity } from './auth/identity.ts';
import { ruleOf } from './auth/policy-rules.ts';
import { ApiError, badRequest } from './api-error.ts';
import { whenOver } from './gone.ts';
import { readPieces, readText } from './body.ts';

/** What a handler gets of HTTP. */
export interface ApiRequest {
  readonly caller: Caller;
  /** Parts of the path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Of a repeated parameter the last value; parameters without a name are ignored. */
  readonly query: ReadonlyMap<string, string>;
  /** What {@link query} was read from. */
  readonly querystring: string;
  /** `http://host:port`, as the client calls this server. */
  readonly base: string;
  readonly contentType: string;
  /** Whether callers are told apart at all. */
  readonly authenticates: boolean;
  /** A header; empty when it is absent. */
  header(name: string): string;
  /** The body as text. */
  text(): Promise<string>;
  /** The body as it comes, of any length. */
  bytes(): AsyncIterable<Buffer>;
  /** Aborted when the client has gone before the answer. */
  readonly gone: AbortSignal;
  /** @throws EngineError FORBIDDEN when the rule, such as `executions:list:all_projects`, is not for this caller. */
  authorize(rule: string): void;
  /** For what takes long: whether the same token would still be let through as the same caller. */
  isStillGood(): Promise<boolean>;
  /** The same request, as if of somebody else. */
  withCaller(changes: Partial<Caller>): ApiRequest;
}

export interface Reply {
  readonly status: 200 | 201 | 204 | 400 | 403 | 404 | 503;
  readonly body?: Json;
  /** Where the answer is not JSON: its media type and its text, in place of `body`. */
  readonly text?: { readonly type: string; readonly text: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** Takes the response over and writes it piece by piece, in place of `body`. */
  readonly stream?: (response: ServerResponse) => Promise<void>;
}

export type Handler = (request: ApiRequest) => Promise<Reply>;

export interface ApiState {
  access: Access;
  /** Absent for paths that are open to everybody. */
  identity?: Identity;
}

export type ApiRouter = Router<ApiState>;

/** Lets a handler serve a route, for those whom the route's rule lets. */
export function serve(handler: Handler): (ctx: RouterContext<ApiState>) => Promise<void> {
  return async (ctx) => {
    const { status, body, text, stream, headers } = await handler(authorizedRequest(ctx));
    ctx.status = status;
    if (headers !== undefined) ctx.set(headers);
    if (stream !== undefined) {
      // From here on the response is the stream's, its failures as well.
      ctx.respond = false;
      await stream(ctx.res);
      return;
    }
    if (text !== undefined) {
      ctx.set('Content-Type', `${text.type}; charset=utf-8`);
      ctx.body = text.text;
      return;
    }
    if (body === undefined) return;
    ctx.type = 'application/json';
    ctx.body = stringifyJson(body);
  };
}

/** A collection's path where an item's is needed, such as `DELETE /v2/workflows`. */
export function missingArgument(name: string): Handler {
  return async () => {
    throw badRequest(`Missing argument: "${name}"`);
  };
}

/** @throws EngineError INVALID_INPUT naming a parameter that is not among `known`. */
export function checkQuery(request: ApiRequest, known: readonly string[]): void {
  for (const name of request.query.keys()) {
    if (!known.includes(name)) throw badRequest(`Unknown argument: "${name}"`);
  }
}

export function param(request: ApiRequest, name: string): string {
  return request.params[name] ?? '';
}

/** @throws EngineError FORBIDDEN */
export function authorizedRequest(ctx: RouterContext<ApiState>): ApiRequest {
  const { access, identity = NOBODY } = ctx.state;
  const rule = ruleOf(ctx.method, typeof ctx._matchedRoute === 'string' ? ctx._matchedRoute : ctx.path);
  const request = new HttpRequest(ctx, identity, callerOf(access, identity, rule), rule);
  if (rule !== null && ctx.state.identity !== undefined) request.authorize(rule);
  return request;
}

/** What a handler does not ask for is not worked out. */
class HttpRequest implements ApiRequest {
  readonly caller: Caller;
  private readonly ctx: RouterContext<ApiState>;
  private readonly access: Access;
  private readonly identity: Identity;
  private readonly rule: string | null;
  private parsedQuery: ReadonlyMap<string, string> | null = null;

  constructor(ctx: RouterContext<ApiState>, identity: Identity, caller: Caller, rule: string | null) {
    this.ctx = ctx;
    this.access = ctx.state.access;
    this.identity = identity;
    this.rule = rule;
    this.caller = caller;
  }

  withCaller(changes: Partial<Caller>): ApiRequest {
    return new HttpRequest(this.ctx, this.identity, { ...this.caller, ...changes }, this.rule);
  }

  get params(): Readonly<Record<string, string>> {
    return this.ctx.params;
  }

  get query(): ReadonlyMap<string, string> {
    this.parsedQuery ??= queryOf(this.ctx.querystring);
    return this.parsedQuery;
  }

  get querystring(): string {
    return this.ctx.querystring;
  }

  get base(): string {
    return `${this.ctx.protocol}://${this.ctx.host}`;
  }

  get contentType(): string {
    return this.ctx.get('content-type');
  }

  get authenticates(): boolean {
    return this.access.authenticates;
  }

  header(name: string): string {
    return this.ctx.get(name);
  }

  text(): Promise<string> {
    return readText(this.ctx.req, this.contentType);
  }

  bytes(): AsyncIterable<Buffer> {
    return readPieces(this.ctx.req);
  }

  get gone(): AbortSignal {
    return goneSignal(this.ctx.res);
  }

  async isStillGood(): Promise<boolean> {
    const { authenticator, policy } = this.access;
    try {
      const now = await authenticator.identify((name) => this.header(name));
      const isSame = now.projectId === this.identity.projectId && policy.isAdmin(now) === policy.isAdmin(this.identity);
      return isSame && (this.rule === null || policy.allows(this.rule, now));
    } catch (error) {
      if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return false;
      throw error;
    }
  }

  authorize(rule: string): void {
    if (this.access.policy.allows(rule, this.identity)) return;
    throw new EngineError('FORBIDDEN', 'Operation forbidden (insufficient permissions)');
  }
}

/** Made for those who ask: few requests wait for long. */
function goneSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  whenOver(response, () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** Whoever asks for what is open to everybody: no project, no rights. */
const NOBODY: Identity = { projectId: '', userId: null, roles: [], anonymous: true };

function callerOf({ policy }: Access, identity: Identity, rule: string | null): Caller {
  const resource = rule?.split(':')[0] ?? '';
  return {
    projectId: identity.projectId,
    isAdmin: policy.isAdmin(identity),
    mayPublish: policy.allows(`${resource}:publicize`, identity),
  };
}

const NO_QUERY: ReadonlyMap<string, string> = new Map();

function queryOf(text: string): ReadonlyMap<string, string> {
  if (text === '') return NO_QUERY;
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) if (name !== '') query.set(name, value);
  return query;
}
