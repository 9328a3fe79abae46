import type { Socket } from 'node:net';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { failure, success, type ActionContext, type SyncAction } from '../action.ts';
import { connectTcp, parseAddress } from '../connect.ts';
import type { EgressPolicy } from '../egress.ts';
import { isTruthy, toText } from '../inputs.ts';

const SMTP_PORT = 25;
const CONNECT_TIMEOUT_MS = 30_000;
/** Without a word from the server. */
const SILENCE_MS = 60_000;

/** spec/engine.md §27. */
export function createEmail(policy: EgressPolicy | null): SyncAction {
  return {
    name: 'std.email',
    description:
      'Sends an e-mail through an SMTP server. With a password the connection is encrypted (STARTTLS) and `from_addr` logs in.',
    kind: 'sync',
    repeatSafe: false,
    parameters: {
      type: 'object',
      properties: {
        from_addr: { type: 'string', description: 'Sender; with a password also the name to log in with.' },
        to_addrs: { type: 'array', items: { type: 'string' }, description: 'Recipients.' },
        smtp_server: { type: 'string', description: `Host, or host:port; without a port ${SMTP_PORT}.` },
        reply_to: {
          type: ['array', 'null'],
          items: { type: 'string' },
          default: null,
          description: 'Where answers should go.',
        },
        cc_addrs: {
          type: ['array', 'null'],
          items: { type: 'string' },
          default: null,
          description: 'Further recipients, shown to all.',
        },
        bcc_addrs: {
          type: ['array', 'null'],
          items: { type: 'string' },
          default: null,
          description: 'Further recipients, shown to nobody.',
        },
        smtp_password: { type: ['string', 'null'], default: null, description: 'Password of `from_addr`.' },
        subject: { default: null, description: 'Subject; without it "<No subject>".' },
        body: { default: null, description: 'Plain text; without it "<No body>".' },
        html_body: { default: null, description: 'The same as HTML, for readers that show it.' },
      },
      required: ['from_addr', 'to_addrs', 'smtp_server'],
      additionalProperties: false,
    },
    result: { description: 'null.', schema: { type: 'null' } },
    examples: [
      {
        title: 'Tell that rows are missing',
        yaml: "warn:\n  action: std.email\n  input:\n    from_addr: jobs@example.com\n    to_addrs: [data@example.com]\n    smtp_server: mail.example.com:587\n    smtp_password: <% env().smtp_password %>\n    subject: Rows are missing\n    body: 'Only <% $.rows %> rows came.'\n",
      },
    ],
    async run(input, context) {
      try {
        await send(policy, input, context);
        return success(null);
      } catch (error) {
        // A stop is told by whoever caused it.
        context.signal.throwIfAborted();
        return failed(error);
      }
    },
  };
}

function failed(error: unknown): ActionResult {
  return failure(`Failed to send an email message: ${error instanceof Error ? error.message : String(error)}`, true);
}

async function send(policy: EgressPolicy | null, input: JsonObject, { signal }: ActionContext): Promise<void> {
  const server = toText(input.smtp_server ?? '');
  const address = parseAddress(server, SMTP_PORT);
  if (address === null) throw new Error(`'${server}' is no server; it should look like host or host:port.`);
  const recipients = [input.cc_addrs, input.bcc_addrs, input.to_addrs].flatMap((list) => textsOf(list ?? null));
  if (recipients.length === 0) throw new Error('There are no recipients.');
  const message = await compose(input);
  const password = input.smtp_password ?? null;
  const { default: Connection } = await import('nodemailer/lib/smtp-connection');
  const socket = await connectTcp(policy, address, { signal, timeoutMs: CONNECT_TIMEOUT_MS });
  const connection = new Connection({
    host: address.host,
    connection: socket,
    greetingTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    ...(password === null
      ? { ignoreTLS: true }
      : // As in the reference the certificate is not checked: many mail servers inside of companies have one of their own.
        { requireTLS: true, tls: { rejectUnauthorized: false } }),
  });
  const from = toText(input.from_addr ?? '');
  await exchange(connection, socket, signal, async () => {
    await step((done) => connection.connect(done));
    if (password !== null) {
      await step((done) => connection.login({ credentials: { user: from, pass: toText(password) } }, done));
    }
    await step((done) => connection.send({ from, to: recipients }, message, done));
    connection.quit();
  });
}

/** Ends as soon as a step fails, the connection breaks between two steps, or the action is stopped. */
async function exchange(
  connection: SMTPConnection,
  socket: Socket,
  signal: AbortSignal,
  steps: () => Promise<void>,
): Promise<void> {
  let stop: (error: unknown) => void = () => {};
  const broken = new Promise<never>((_, reject) => {
    stop = reject;
  });
  broken.catch(() => {});
  const onAbort = () => stop(signal.reason);
  connection.on('error', stop);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([steps(), broken]);
  } catch (error) {
    connection.close();
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function step(run: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    run((error) => (error ? reject(error) : resolve()));
  });
}

/** Hidden recipients are in the envelope only. */
async function compose(input: JsonObject): Promise<Buffer> {
  // The library is loaded when it is needed: most processes send no mail.
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const [cc, replyTo] = [textsOf(input.cc_addrs ?? null), textsOf(input.reply_to ?? null)];
  return new MailComposer({
    from: toText(input.from_addr ?? ''),
    to: textsOf(input.to_addrs ?? null),
    ...(cc.length > 0 && { cc }),
    ...(replyTo.length > 0 && { replyTo }),
    subject: textOr(input.subject ?? null, '<No subject>'),
    text: textOr(input.body ?? null, '<No body>'),
    ...(isTruthy(input.html_body ?? null) && { html: toText(input.html_body ?? '') }),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
}

function textOr(value: Json, otherwise: string): string {
  return isTruthy(value) ? toText(value) : otherwise;
}

function textsOf(list: Json): string[] {
  return Array.isArray(list) ? list.map((one: Json) => toText(one)) : [];
}
