import { UsageError } from '../usage-error.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { portOf } from './settings.ts';

export interface FakeOptions {
  readonly port: string;
  readonly flinkVersion: string;
  readonly jobSeconds: string;
  readonly adaptive?: boolean;
  readonly submit: boolean;
}

interface Fake {
  readonly url: string;
  close(): Promise<void>;
}

/** Each loads its own code only. */
const FAKES: Readonly<Record<string, (options: FakeOptions, port: number) => Promise<Fake>>> = {
  flink: async ({ flinkVersion, jobSeconds, adaptive = false, submit }, port) => {
    const { startFakeFlink } = await import('../../executors/fakes/flink.ts');
    if (!/^\d+\.\d+/.test(flinkVersion))
      throw new UsageError(`'${flinkVersion}' is no version; write one such as 1.20.5`);
    const seconds = Number(jobSeconds);
    if (!(seconds >= 0)) throw new UsageError(`'${jobSeconds}' is no number of seconds`);
    return startFakeFlink({ version: flinkVersion, jobMs: seconds * 1000, adaptive, submits: submit }, port);
  },
  livy: async (_, port) => (await import('../../executors/fakes/livy.ts')).startFakeLivy({ port, auto: true }),
  lighter: async (_, port) => (await import('../../executors/fakes/lighter.ts')).startFakeLighter({ port, auto: true }),
  mist: async (_, port) => (await import('../../executors/fakes/mist.ts')).startFakeMist({ port, auto: true }),
  cello: async (_, port) =>
    (await import('../../executors/fakes/cello.ts')).startFakeCello(
      [{ count: 2 }, { plugin: 'spark', mode: 'standalone', size: 1 }, { plugin: 'flink', mode: 'session', size: 1 }],
      { port },
    ),
  'spark-master': async (_, port) =>
    (await import('../../executors/fakes/spark-master.ts')).startFakeSparkMaster({ port, auto: true }),
};

/** Runs until it is told to stop. @throws UsageError */
export async function fakeCommand(name: string, options: FakeOptions, terminal: Terminal): Promise<ExitCode> {
  const start = Object.hasOwn(FAKES, name) ? FAKES[name] : undefined;
  if (start === undefined)
    throw new UsageError(`There is no fake '${name}'; there are: ${Object.keys(FAKES).join(', ')}`);
  const fake = await start(options, portOf(options.port));
  terminal.out(`listening on ${fake.url}\n`);
  await terminal.stopped;
  await fake.close();
  return 0;
}
