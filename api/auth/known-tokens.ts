import { createHash } from 'node:crypto';
import { isStorableText } from '../../engine/store/columns.ts';
import { tokenInvalid, tokenMissing, tokenOf } from './identity.ts';
import type { Authenticator, Identity } from './identity.ts';

/** What an authority says of a token. */
export interface Verdict {
  /** null: the token is no good. */
  readonly identity: Identity | null;
  /** Milliseconds since 1970 from when on it no longer holds, whatever the cache would allow. */
  readonly until: number;
}

/**
 * Remembers what was found out about tokens, by their hash. Many requests with the same token ask once. Failures to ask are
 * not remembered.
 */
export class KnownTokens {
  private readonly entries = new Map<string, { readonly asked: Promise<Verdict>; readonly from: number }>();
  private readonly ask: (token: string) => Promise<Verdict>;
  private readonly goodMilliseconds: number;
  private readonly badMilliseconds: number;
  private readonly now: () => number;

  /** @param badMilliseconds how long a refused token stays refused without asking again. */
  constructor(
    ask: (token: string) => Promise<Verdict>,
    { goodMilliseconds, badMilliseconds }: { readonly goodMilliseconds: number; readonly badMilliseconds: number },
    now: () => number = Date.now,
  ) {
    this.ask = ask;
    this.goodMilliseconds = goodMilliseconds;
    this.badMilliseconds = badMilliseconds;
    this.now = now;
  }

  async identify(token: string): Promise<Identity | null> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.entries.get(key);
    if (known !== undefined) {
      const verdict = await known.asked;
      if (this.holds(verdict, known.from)) return verdict.identity;
      if (this.entries.get(key) === known) this.entries.delete(key);
    }
    return (await this.askOnce(key, token)).identity;
  }

  private askOnce(key: string, token: string): Promise<Verdict> {
    const running = this.entries.get(key);
    if (running !== undefined) return running.asked;
    const asked = this.ask(token);
    this.entries.set(key, { asked, from: this.now() });
    asked.catch(() => this.entries.delete(key));
    const oldest = this.entries.keys().next().value;
    if (this.entries.size > MOST_KNOWN && oldest !== undefined) this.entries.delete(oldest);
    return asked;
  }

  private holds(verdict: Verdict, from: number): boolean {
    const kept = verdict.identity === null ? this.badMilliseconds : this.goodMilliseconds;
    return this.now() < Math.min(verdict.until, from + kept);
  }
}

// Some 100 bytes each; whoever sends more different tokens only makes us ask more often.
const MOST_KNOWN = 10_000;

/** What could not be stored with what is made would fail each request that makes something. */
function isProject(id: string): boolean {
  return id.length <= MAX_PROJECT && isStorableText(id);
}

// The width of the columns.
const MAX_PROJECT = 80;

/** Who sends a token that is known, or the 401 with this challenge. */
export function authenticatorOf(known: KnownTokens, challenge: string): Authenticator {
  return {
    identify: async (header) => {
      const token = tokenOf(header);
      if (token === null) throw tokenMissing(challenge);
      const identity = await known.identify(token);
      if (identity === null || !isProject(identity.projectId)) throw tokenInvalid(challenge);
      return identity;
    },
  };
}
