import { connect, type AddressInfo } from 'node:net';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';

const { Server, utils } = ssh2;

export interface SshServer {
  readonly port: number;
  /** Commands that were run, with the user before each. */
  readonly commands: readonly string[];
  /** Where tunnels went. */
  readonly tunnels: readonly string[];
  close(): void;
}

export interface SshOptions {
  /** Users and their passwords. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** A public key that lets any user in. */
  readonly publicKey?: string;
  /** Asks for the password as a question. */
  readonly asksQuestions?: boolean;
  readonly forbidsTunnels?: boolean;
}

/**
 * An SSH server on loopback. Commands: `ok`, `fail` (exit code 3), `killed` (by a signal), `hang`, `flood` (more than fits),
 * and `nc HOST PORT`.
 */
export async function startSshServer(options: SshOptions): Promise<SshServer> {
  const commands: string[] = [];
  const tunnels: string[] = [];
  const connections = new Set<Connection>();
  const server = new Server({ hostKeys: [newKeys().private] }, (client) => {
    connections.add(client);
    client.on('close', () => connections.delete(client));
    client.on('error', () => {});
    const login = { user: '' };
    authenticate(client, options, login);
    client.on('session', (accept) => {
      accept().on('exec', (take, _refuse, { command }) => {
        commands.push(`${login.user}: ${command}`);
        run(take(), command);
      });
    });
    client.on('tcpip', (accept, reject, { destIP, destPort }) => {
      if (options.forbidsTunnels === true) return reject();
      tunnels.push(`${destIP}:${destPort}`);
      pipe(accept(), destIP, destPort);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    tunnels,
    close() {
      server.close();
      for (const connection of connections) connection.end();
    },
  };
}

/** A pair of keys. Of those that the library makes, a few are such that it cannot read them itself. */
export function newKeys(passphrase?: string): { readonly private: string; readonly public: string } {
  for (;;) {
    const keys =
      passphrase === undefined
        ? utils.generateKeyPairSync('ed25519')
        : utils.generateKeyPairSync('ed25519', { cipher: 'aes256-ctr', passphrase, rounds: 1 });
    const isReadable = [keys.private, keys.public].every((key) => !(utils.parseKey(key, passphrase) instanceof Error));
    if (isReadable) return keys;
  }
}

function authenticate(client: Connection, options: SshOptions, login: { user: string }): void {
  client.on('authentication', (context) => {
    const { username: user, method } = context;
    const password = options.passwords?.[user];
    const enter = () => {
      login.user = user;
      context.accept();
    };
    if (method === 'publickey' && options.publicKey !== undefined) {
      const known = utils.parseKey(options.publicKey);
      if (known instanceof Error) throw known;
      if (!context.key.data.equals(known.getPublicSSH())) return context.reject();
      const { signature, blob } = context;
      if (signature === undefined || blob === undefined) return context.accept();
      return known.verify(blob, signature, context.hashAlgo) === true ? enter() : context.reject();
    }
    if (method === 'password' && options.asksQuestions !== true && context.password === password) return enter();
    if (method === 'keyboard-interactive' && options.asksQuestions === true) {
      context.prompt(['Password: '], (answers) => (answers[0] === password ? enter() : context.reject()));
      return;
    }
    context.reject(options.asksQuestions === true ? ['keyboard-interactive'] : ['password', 'publickey']);
  });
}

function run(channel: ServerChannel, command: string): void {
  channel.on('error', () => {});
  const [program = '', host = '', port = ''] = command.split(' ');
  switch (program) {
    case 'ok':
    case 'ls':
      channel.write('out é\n');
      end(channel, 0);
      return;
    case 'fail':
      channel.write('half\n');
      channel.stderr.write('went wrong\n');
      end(channel, 3);
      return;
    case 'killed':
      channel.exit('KILL');
      channel.end();
      return;
    case 'flood':
      for (let i = 0; i < 12; i++) channel.write(Buffer.alloc(1024 * 1024, 'x'));
      end(channel, 0);
      return;
    case 'nc':
      pipe(channel, host, Number(port));
      return;
    default:
    // `hang`: no answer, ever.
  }
}

function end(channel: ServerChannel, code: number): void {
  channel.exit(code);
  channel.end();
}

function pipe(channel: ServerChannel, host: string, port: number): void {
  const socket = connect(port, host);
  socket.on('error', () => channel.end());
  channel.on('error', () => socket.destroy());
  socket.pipe(channel).pipe(socket);
}
