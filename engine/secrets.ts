import { isJsonObject, parseJson, setKey, stringifyJson, type Json } from '../dsl/json.ts';

/**
 * Secrets in what people see: inputs of actions in API answers, and log lines (design.md §9, spec/engine.md E-27.3). They are
 * known by the names they stand under, at any depth: passwords, keys, tokens, cookies, `auth` and `Authorization`; and by their
 * place in addresses, as `user:password@` or a parameter of such a name.
 */
export const MASK = '***';

const SECRET_NAME =
  /passwd|password|passphrase|^pwd$|secret|credential|api[_-]?key$|access[_-]?key$|private[_-]?key$|authorization|cookie|(?:^|[_-])auth$|token$/i;

/** A copy with every secret replaced by {@link MASK}. What is empty, or true or false, is no secret. */
export function maskSecrets(value: Json): Json {
  if (typeof value === 'string') return maskText(value);
  if (Array.isArray(value)) return value.map((item: Json) => maskSecrets(item));
  if (!isJsonObject(value)) return value;
  const masked: Record<string, Json> = {};
  for (const [name, item] of Object.entries(value)) {
    setKey(masked, name, isSecretName(name) && isFilled(item) ? MASK : maskSecrets(item));
  }
  return masked;
}

/** The same for JSON text; a text without a word that could matter is not even read. */
export function maskJsonText(json: string): string {
  return SUSPICIOUS.test(json) ? stringifyJson(maskSecrets(parseJson(json))) : json;
}

/** Passwords and tokens within addresses. */
export function maskText(text: string): string {
  if (!text.includes('://')) return text;
  return text
    .replaceAll(/([a-z][a-z0-9+.-]{0,20}:\/\/[^\s/?#:@]{0,256}):[^\s/?#@]{1,1024}@/gi, `$1:${MASK}@`)
    .replaceAll(/([?&;])([^\s=&#;?]+)=([^\s&#;]+)/g, (whole, before: string, name: string) =>
      isSecretName(name) ? `${before}${name}=${MASK}` : whole,
    );
}

/** What is bound to a log line. Errors and the like have serializers of their own. */
export function maskFields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (isSecretName(name)) return [name, MASK];
      if (typeof value === 'string') return [name, maskText(value)];
      // Data that is logged is JSON.
      return [name, Array.isArray(value) || isJsonObject(value) ? maskSecrets(value as Json) : value];
    }),
  );
}

/** An error as a log shows it. */
export function maskError(error: unknown, show: (error: Error) => { message: string; stack: string }): unknown {
  if (!(error instanceof Error)) return error;
  const shown = show(error);
  return { ...shown, message: maskText(shown.message), stack: maskText(shown.stack) };
}

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Every name that {@link SECRET_NAME} fits has one of these words in it. */
const SUSPICIOUS = /passwd|passw|passphrase|pwd|secret|credential|key|auth|cookie|token|:\/\//i;

function isFilled(value: Json): boolean {
  return value !== null && value !== '' && typeof value !== 'boolean';
}
