import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { load, loadAll } from 'js-yaml';
import { parseConfig, rolesOf, ROLES } from '../../engine/config.ts';
import { projectRoot } from '../helpers/project.ts';

/** What `deploy/` holds is read as whoever runs it would: linters know the formats, this knows our program. */
const read = (name: string) => readFileSync(join(projectRoot, 'deploy', name), 'utf8');

interface Service {
  readonly command?: readonly string[];
  readonly stop_grace_period?: string;
  readonly image?: string;
  /** What it is merged with: the reader leaves that to us. */
  readonly '<<'?: Service;
}

test('compose.yaml starts nodes that together have every role, with a configuration that this program reads', (t) => {
  const { services } = load(read('compose.yaml')) as { readonly services: Readonly<Record<string, Service>> };
  const nodes = Object.values(services)
    .map((service) => ({ ...service['<<'], ...service }))
    .filter(({ image }) => image === 'tramontane');
  t.deepEqual(coveredRoles(nodes.map(({ command }) => command ?? [])), [...ROLES]);
  const config = parseConfig(read('tramontane.yaml'), 'tramontane.yaml');
  t.is(config.database?.startsWith('postgres://'), true);
  t.truthy(config.redis);
  t.is(config.authMode, 'token', 'it listens beyond its machine');
  const grace = nodes.map(({ stop_grace_period: text }) => Number.parseInt(text ?? '0', 10));
  for (const seconds of grace) t.true(seconds >= (config.shutdownSeconds ?? 0) + CLOSING_SECONDS);
  t.true(services['redis']?.command?.includes('noeviction'), 'nodes refuse any other Redis');
});

interface Manifest {
  readonly kind: string;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly selector?: Readonly<Record<string, unknown>>;
    readonly template?: {
      readonly metadata: { readonly labels: object };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly {
          readonly args: readonly string[];
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
          readonly readinessProbe: Probe;
          readonly livenessProbe: Probe;
        }[];
      };
    };
  };
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

test('the Kubernetes manifests fit together, and fit this program', (t) => {
  const manifests = loadAll(read('kubernetes/tramontane.yaml')) as Manifest[];
  const text = manifests.find(({ kind }) => kind === 'Secret')?.stringData?.['tramontane.yaml'] ?? '';
  const config = parseConfig(text, 'tramontane.yaml');
  t.is(config.authMode, 'token');
  const deployments = manifests.flatMap(({ kind, spec }) =>
    kind === 'Deployment' && spec !== undefined ? [spec] : [],
  );
  const pods = deployments.flatMap(({ template }) => (template === undefined ? [] : [template]));
  t.is(pods.length, deployments.length);
  t.deepEqual(coveredRoles(pods.map(({ spec }) => spec.containers[0]?.args ?? [])), [...ROLES]);
  for (const [i, { metadata, spec }] of pods.entries()) {
    t.deepEqual(deployments[i]?.selector, { matchLabels: metadata.labels });
    t.true(spec.terminationGracePeriodSeconds >= (config.shutdownSeconds ?? 0) + CLOSING_SECONDS);
    for (const { ports, readinessProbe, livenessProbe } of spec.containers) {
      t.deepEqual(ports, [{ name: 'http', containerPort: config.port ?? 0 }]);
      t.deepEqual(readinessProbe.httpGet, { path: '/readyz', port: 'http' });
      t.deepEqual(livenessProbe.httpGet, { path: '/healthz', port: 'http' });
    }
  }
  const service = manifests.find(({ kind }) => kind === 'Service')?.spec;
  t.true(pods.some(({ metadata }) => JSON.stringify(metadata.labels) === JSON.stringify(service?.selector)));
});

test('the systemd unit and the container start the server with options that it has, and give it time to stop', (t) => {
  const unit = read('systemd/tramontane@.service');
  t.regex(unit, /^ExecStart=.* tramontane serve --config \S+ --role %i --port \$\{TRAMONTANE_PORT\}$/m);
  const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
  const config = parseConfig(read('tramontane.yaml'), 'tramontane.yaml');
  t.true(stop >= (config.shutdownSeconds ?? 0) + CLOSING_SECONDS);
  const container = read('Containerfile');
  t.regex(container, /^CMD \["serve", "--host", "0\.0\.0\.0", "--auth", "token", /m);
  t.regex(container, /^USER node$/m);
});

// api/commands/serve.ts: what closing may take beyond what actions get.
const CLOSING_SECONDS = 10;

function coveredRoles(commands: readonly (readonly string[])[]): readonly string[] {
  const given = commands.flatMap((command) => rolesOf(command[command.indexOf('--role') + 1] ?? '') ?? []);
  return ROLES.filter((role) => given.includes(role));
}
