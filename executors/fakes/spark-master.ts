import { mappingOf, startFake, type FakeAnswer, type FakeRequest, type FakeServer } from './http-fake.ts';

/**
 * A standalone master on a real socket: submission server, web page as JSON, and the log page of its one worker, all at one address. Unknown ids and
 * a standby are 200 with `success: false`, as recorded. Drivers move only when told, or by
 * themselves with `auto`.
 */
export interface FakeSparkMaster extends FakeServer {
  readonly drivers: Map<string, FakeDriver>;
  readonly applications: { readonly id: string; readonly name: string; state: string }[];
  /** `auto`: drivers go on at each look at them. */
  readonly options: { version: string; standby: boolean; auto: boolean };
  /** What a restart without recovery does. */
  restart(): void;
}

export interface FakeDriver {
  readonly id: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly startTime: number;
  state: string;
  message: string | null;
  stdout: string;
  stderr: string;
}

export async function startFakeSparkMaster(
  options: { version?: string; port?: number; auto?: boolean } = {},
): Promise<FakeSparkMaster> {
  const state: MasterState = {
    drivers: new Map(),
    applications: [],
    options: { version: options.version ?? '3.5.9', standby: false, auto: options.auto ?? false },
  };
  const at = { url: '' };
  const server = await startFake({
    ...(options.port !== undefined && { port: options.port }),
    handle: (request) => route(state, request, at.url),
    starts: ({ method, parts }) => method === 'POST' && parts[2] === 'create',
  });
  at.url = server.url;
  return {
    ...server,
    ...state,
    restart() {
      state.drivers.clear();
      state.applications.length = 0;
    },
  };
}

interface MasterState extends Pick<FakeSparkMaster, 'drivers' | 'applications' | 'options'> {}

const WORKER = 'worker-20261121052411-127.0.0.1-7078';

function route(master: MasterState, request: FakeRequest, url: string): FakeAnswer {
  const [first, second, action, id] = request.parts;
  if (first === 'json') return { status: 200, json: page(master, url) };
  if (first === 'log') return log(master, request.query);
  if (first !== 'v1' || second !== 'submissions') return { status: 404, text: 'Not found' };
  if (master.options.standby)
    return answer(master, 'SubmissionStatusResponse', false, {
      message: 'Current state is not alive: STANDBY. Can only accept driver submissions in ALIVE state.',
    });
  const isPost = request.method === 'POST';
  if (action === 'create' && isPost) return create(master, request);
  if (action === 'status' || action === 'kill') {
    if (id === undefined)
      return {
        status: 400,
        json: {
          action: 'ErrorResponse',
          message: `Submission ID is missing in ${action} request.`,
          serverSparkVersion: master.options.version,
        },
      };
    return action === 'status' ? status(master, id) : kill(master, id);
  }
  if (master.options.version.startsWith('3.'))
    return {
      status: 400,
      json: { action: 'ErrorResponse', message: 'Missing an action', serverSparkVersion: master.options.version },
    };
  if (action === 'readyz') return answer(master, 'ReadyzResponse', true, { message: '' });
  if (action === 'killall' && isPost) {
    for (const driver of master.drivers.values()) if (isLive(driver)) driver.state = 'KILLED';
    return answer(master, 'KillAllSubmissionResponse', true, { message: 'Kill request for all drivers submitted' });
  }
  if (action === 'clear' && isPost) {
    for (const [key, driver] of master.drivers) if (!isLive(driver)) master.drivers.delete(key);
    for (const app of master.applications.filter(({ state }) => state === 'FINISHED'))
      master.applications.splice(master.applications.indexOf(app), 1);
    return answer(master, 'ClearResponse', true, { message: '' });
  }
  return { status: 400, json: { action: 'ErrorResponse', message: 'Missing an action' } };
}

function create(master: MasterState, { body }: FakeRequest): FakeAnswer {
  const given = mappingOf(body);
  const properties = given?.sparkProperties as Record<string, string> | undefined;
  const isWhole =
    given !== null &&
    ['clientSparkVersion', 'mainClass', 'appResource'].every((key) => typeof given[key] === 'string') &&
    typeof properties?.['spark.app.name'] === 'string' &&
    Array.isArray(given.appArgs) &&
    typeof given.environmentVariables === 'object';
  if (!isWhole)
    return {
      status: 400,
      json: {
        action: 'ErrorResponse',
        message:
          'Validation of message CreateSubmissionRequest failed!\norg.apache.spark.deploy.rest.SubmitRestProtocolException',
        serverSparkVersion: master.options.version,
      },
    };
  const id = `driver-20261121052614-${String(master.drivers.size).padStart(4, '0')}`;
  master.drivers.set(id, {
    id,
    request: given,
    startTime: Date.now(),
    state: 'SUBMITTED',
    message: null,
    stdout: '',
    stderr: '',
  });
  return answer(master, 'CreateSubmissionResponse', true, {
    message: `Driver successfully submitted as ${id}`,
    submissionId: id,
  });
}

function status(master: MasterState, id: string): FakeAnswer {
  const driver = master.drivers.get(id);
  if (driver === undefined) return answer(master, 'SubmissionStatusResponse', false, { submissionId: id });
  if (master.options.auto) driver.state = NEXT[driver.state] ?? driver.state;
  return answer(master, 'SubmissionStatusResponse', true, {
    submissionId: id,
    driverState: driver.state,
    ...(driver.message !== null && { message: driver.message }),
    ...(driver.state !== 'SUBMITTED' && { workerId: WORKER, workerHostPort: '127.0.0.1:7078' }),
  });
}

const NEXT: Readonly<Record<string, string>> = { SUBMITTED: 'RUNNING', RUNNING: 'FINISHED' };

function kill(master: MasterState, id: string): FakeAnswer {
  const driver = master.drivers.get(id);
  if (driver === undefined || !isLive(driver))
    return answer(master, 'KillSubmissionResponse', false, {
      message: `Driver ${id} has already finished or does not exist`,
      submissionId: id,
    });
  driver.state = 'KILLED';
  return answer(master, 'KillSubmissionResponse', true, {
    message: `Kill request for ${id} submitted`,
    submissionId: id,
  });
}

function isLive(driver: FakeDriver): boolean {
  return ['SUBMITTED', 'RUNNING', 'RELAUNCHING', 'UNKNOWN'].includes(driver.state);
}

function page(master: MasterState, url: string): Record<string, unknown> {
  const drivers = [...master.drivers.values()].map((driver) => ({
    id: driver.id,
    // A text here, a number for applications.
    starttime: String(driver.startTime),
    state: driver.state,
    cores: 1,
    memory: 512,
    worker: WORKER,
    mainclass: driver.request.mainClass,
  }));
  return {
    url: 'spark://127.0.0.1:7077',
    workers: [
      {
        id: WORKER,
        host: '127.0.0.1',
        port: 7078,
        webuiaddress: url,
        cores: 2,
        coresused: 0,
        memory: 2048,
        memoryused: 0,
        state: 'ALIVE',
        lastheartbeat: 0,
      },
    ],
    aliveworkers: 1,
    cores: 2,
    coresused: 0,
    memory: 2048,
    memoryused: 0,
    activeapps: master.applications.filter((app) => app.state !== 'FINISHED'),
    completedapps: master.applications.filter((app) => app.state === 'FINISHED'),
    activedrivers: drivers.filter((driver) => ['SUBMITTED', 'RUNNING'].includes(driver.state)),
    completeddrivers: drivers.filter((driver) => !['SUBMITTED', 'RUNNING'].includes(driver.state)),
    status: master.options.standby ? 'STANDBY' : 'ALIVE',
  };
}

function log(master: MasterState, query: URLSearchParams): FakeAnswer {
  const id = query.get('driverId') ?? '';
  const type = query.get('logType') === 'stdout' ? 'stdout' : 'stderr';
  const driver = master.drivers.get(id);
  if (driver === undefined)
    return {
      status: 200,
      text: `==== Bytes 0-0 of 0 of work/${id}/${type} ====\nError: invalid log directory work/${id}/`,
    };
  const whole = type === 'stderr' ? launchCommand(driver) + driver.stderr : driver.stdout;
  const length = Number(query.get('byteLength') ?? 102400);
  const from = query.has('offset') ? Number(query.get('offset')) : Math.max(0, whole.length - length);
  return {
    status: 200,
    text: `==== Bytes ${from}-${whole.length} of ${whole.length} of work/${id}/${type} ====\n${whole.slice(from, from + length)}`,
  };
}

/** With what a worker begins the log of a driver that it has started. */
function launchCommand({ request, state }: FakeDriver): string {
  if (state === 'SUBMITTED') return '';
  const properties = Object.entries((request.sparkProperties ?? {}) as Record<string, string>);
  const words = ['java', '-cp', 'conf/:jars/*', ...properties.map(([key, value]) => `-D${key}=${value}`)];
  const tail = ['org.apache.spark.deploy.worker.DriverWrapper', String(request.mainClass)];
  return `Launch Command: ${[...words, ...tail].map((word) => `"${word}"`).join(' ')}\n${'='.repeat(40)}\n\n`;
}

function answer(master: MasterState, action: string, success: boolean, more: Record<string, unknown>): FakeAnswer {
  return { status: 200, json: { action, serverSparkVersion: master.options.version, success, ...more } };
}
