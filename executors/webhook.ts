import { stringifyJson, type JsonObject } from '../dsl/json.ts';
import type { Publisher } from '../engine/shell/notifier.ts';
import type { HttpClient } from './http-client.ts';

/** The options of a `webhook` in `params.notify`. */
interface WebhookOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

// The reference waits 3 s for the connection and 10 s for the answer.
const TIMEOUT_MILLISECONDS = 13_000;
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends notifications as POST of JSON (spec/engine.md E-22.2): no redirects are followed, and only 200 and 201 count as received.
 *
 * @param http for addresses that come from users.
 */
export function webhookPublisher(http: HttpClient): Publisher {
  return {
    check: (options) => {
      const read = readOptions(options);
      return typeof read === 'string' ? read : null;
    },
    publish: async (payload, options, signal) => {
      const read = readOptions(options);
      if (typeof read === 'string') throw new Error(`a webhook ${read}`);
      const { status, reason } = await http.exchange({
        method: 'POST',
        url: read.url,
        headers: { ...read.headers, 'Content-Type': 'application/json' },
        body: stringifyJson(payload),
        timeoutMs: TIMEOUT_MILLISECONDS,
        followRedirects: false,
        maxBytes: MAX_ANSWER_BYTES,
        signal,
      });
      if (status !== 200 && status !== 201) throw new Error(`the webhook answered ${status} ${reason}`);
    },
  };
}

/** Text: what is wrong. */
function readOptions({ url = null, headers = {} }: JsonObject): WebhookOptions | string {
  if (typeof url !== 'string' || !/^https?:\/\/\S+$/i.test(url)) {
    return "needs a 'url' that begins with http:// or https://";
  }
  const given = headers ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) return "takes 'headers' as a mapping of names to texts";
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== 'string' && typeof value !== 'number') return `needs a text as its header '${name}'`;
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[\r\n\0]/.test(String(value)))
      return `cannot send the header '${name}'`;
    texts[name] = String(value);
  }
  return { url, headers: texts };
}
