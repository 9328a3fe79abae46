import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Head and body as they were sent. */
  readonly text: string;
  readonly isEncrypted: boolean;
  /** Who logged in, `user:password`; null for nobody. */
  readonly login: string | null;
}

export interface SmtpServer {
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  close(): void;
}

export interface SmtpOptions {
  readonly offersTls?: boolean;
  /** `user:password` that may log in. */
  readonly login?: string;
  /** Recipients that are refused. */
  readonly refuses?: readonly string[];
  /** Says nothing at all. */
  readonly isSilent?: boolean;
}

/** An SMTP server on loopback that keeps what it gets: as much of RFC 5321, 3207 and 4954 as a client needs to send a mail. */
export async function startSmtpServer(options: SmtpOptions = {}): Promise<SmtpServer> {
  const mails: ReceivedMail[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (options.isSilent !== true) new Session(socket, options, (mail) => mails.push(mail)).greet();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    mails,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

class Session {
  private socket: Socket;
  private readonly options: SmtpOptions;
  private readonly onMail: (mail: ReceivedMail) => void;
  private buffer = '';
  private isEncrypted = false;
  private login: string | null = null;
  private from = '';
  private to: string[] = [];
  private inData = false;

  constructor(socket: Socket, options: SmtpOptions, onMail: (mail: ReceivedMail) => void) {
    this.socket = socket;
    this.options = options;
    this.onMail = onMail;
    this.listen();
  }

  greet(): void {
    this.say('220 mail.test ready');
  }

  private listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.buffer += chunk.toString('utf8');
      this.read();
    });
  }

  private read(): void {
    for (;;) {
      const end = this.inData ? this.buffer.indexOf('\r\n.\r\n') : this.buffer.indexOf('\r\n');
      if (end === -1) return;
      const text = this.buffer.slice(0, end);
      this.buffer = this.buffer.slice(end + (this.inData ? 5 : 2));
      if (this.inData) this.endOfData(text);
      else this.command(text);
    }
  }

  private endOfData(text: string): void {
    this.inData = false;
    const { from, to, isEncrypted, login } = this;
    this.onMail({ from, to, text, isEncrypted, login });
    this.say('250 taken');
  }

  private command(line: string): void {
    const [verb = '', ...rest] = line.split(' ');
    switch (verb.toUpperCase()) {
      case 'EHLO':
        this.say(...this.greeting());
        return;
      case 'STARTTLS':
        if (this.options.offersTls !== true) {
          this.say('502 not known');
          return;
        }
        this.say('220 go ahead');
        this.encrypt();
        return;
      case 'AUTH':
        this.authenticate(rest[1] ?? '');
        return;
      case 'MAIL':
        this.from = addressIn(line);
        this.to = [];
        this.say('250 ok');
        return;
      case 'RCPT': {
        const address = addressIn(line);
        if (this.options.refuses?.includes(address) === true) {
          this.say('550 no such user');
          return;
        }
        this.to.push(address);
        this.say('250 ok');
        return;
      }
      case 'DATA':
        this.inData = true;
        this.say('354 go on');
        return;
      case 'QUIT':
        this.say('221 bye');
        this.socket.end();
        return;
      default:
        this.say('502 not known');
    }
  }

  private greeting(): readonly string[] {
    const offers = [
      ...(this.options.offersTls === true && !this.isEncrypted ? ['STARTTLS'] : []),
      ...(this.options.login === undefined ? [] : ['AUTH PLAIN']),
    ];
    const lines = ['mail.test', ...offers];
    return lines.map((line, i) => `250${i === lines.length - 1 ? ' ' : '-'}${line}`);
  }

  private authenticate(given: string): void {
    const [, user = '', password = ''] = Buffer.from(given, 'base64').toString('utf8').split('\0');
    if (`${user}:${password}` !== this.options.login) {
      this.say('535 wrong user or password');
      return;
    }
    this.login = `${user}:${password}`;
    this.say('235 welcome');
  }

  private encrypt(): void {
    this.socket.removeAllListeners('data');
    const secure = new TLSSocket(this.socket, {
      isServer: true,
      secureContext: createSecureContext({ key: KEY, cert: CERTIFICATE }),
    });
    secure.on('error', () => {});
    this.socket = secure;
    this.isEncrypted = true;
    this.listen();
  }

  private say(...lines: readonly string[]): void {
    this.socket.write(`${lines.join('\r\n')}\r\n`);
  }
}

function addressIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? '';
}

// For mail.test, signed by itself: nobody else trusts it.
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNoqeA5VDjLhivva3
Xw7l3V1N439wj1K0YIyHVTpsmDahRANCAAR+kI5WMBr+B6HiI/Utbd1M5SjOFJaC
eeAVJLjRG4tfGTtRkE/AE1+Dpqoh521a7aUMinREGz7RQeV9uFGHJUOR
-----END PRIVATE KEY-----
`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUKzswvftkvqUOvujpIXkuBuFFY7owCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbWFpbC50ZXN0MCAXDTI2MTEyMjA4MDc1N1oYDzIxMjYxMDI5
MDgwNzU3WjAUMRIwEAYDVQQDDAltYWlsLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR+kI5WMBr+B6HiI/Utbd1M5SjOFJaCeeAVJLjRG4tfGTtRkE/AE1+D
pqoh521a7aUMinREGz7RQeV9uFGHJUORo1MwUTAdBgNVHQ4EFgQUyWbx+Q9WKHQQ
zZklZ8nNl6kieyswHwYDVR0jBBgwFoAUyWbx+Q9WKHQQzZklZ8nNl6kieyswDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAh0aVuDHSpz57x1PfJaGS
D/p1eSZ8gIKKSV4ocArxlfMCIEtqIjKHY0Br+kOiwEE8ylrMpflidXm5KL8luDc1
pebY
-----END CERTIFICATE-----
`;
