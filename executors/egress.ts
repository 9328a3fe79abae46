import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { buildConnector } from 'undici';
import { TramontaneError } from '../dsl/errors.ts';
import { undici } from './undici.ts';

/**
 * Where outgoing requests of users' actions may go (design: "Actions"; spec/engine.md E-27.2): never to link-local and metadata addresses unless listed,
 * to loopback only while the server itself listens there. The address is checked at the moment of connecting, so neither a
 * name that resolves differently the second time nor a redirect gets around it.
 */
export interface EgressPolicy {
  /** Null when connecting is allowed, else why not. */
  refusal(host: string, address: string): EgressError | null;
}

export interface EgressOptions {
  readonly allowLoopback: boolean;
  /** Addresses, CIDR ranges or host names that are always allowed. */
  readonly allow?: readonly string[];
  /** Further addresses or CIDR ranges that are refused. */
  readonly deny?: readonly string[];
}

export class EgressError extends TramontaneError {
  override readonly name = 'EgressError';

  constructor(host: string, address: string) {
    super('EGRESS_BLOCKED', `URL host '${host}' resolves to a blocked address (${address}).`, {
      details: { host, address },
    });
  }
}

export function createEgressPolicy(options: EgressOptions): EgressPolicy {
  const allowedHosts = new Set((options.allow ?? []).filter((one) => !isRange(one)).map((one) => one.toLowerCase()));
  const allowed = toBlockList((options.allow ?? []).filter(isRange));
  const denied = toBlockList([...ALWAYS_DENIED, ...(options.allowLoopback ? [] : LOOPBACK), ...(options.deny ?? [])]);
  return {
    refusal(host, address) {
      const plain = embeddedIpv4(address) ?? address;
      if (allowedHosts.has(host.toLowerCase()) || contains(allowed, plain)) return null;
      return contains(denied, plain) ? new EgressError(host, address) : null;
    },
  };
}

/** Connects only to addresses that the policy lets through. */
export function checkedConnector(policy: EgressPolicy, options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = undici().buildConnector({ ...options, lookup: checkedLookup(policy) });
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, '');
    // An address is never looked up, so it is checked here.
    const refusal = isIP(host) === 0 ? null : policy.refusal(host, host);
    if (refusal === null) connect(target, callback);
    else callback(refusal, null);
  };
}

export function checkedLookup(policy: EgressPolicy): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const refusal = addresses.map(({ address }) => policy.refusal(host, address)).find((one) => one !== null);
      if (refusal !== undefined) return callback(refusal, []);
      const first = addresses[0];
      if (options.all === true || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/** "This host", link-local, and the metadata services that live elsewhere. `0.0.0.0` and `::` would reach loopback. */
const ALWAYS_DENIED = [
  '0.0.0.0/8',
  '::/128',
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::254/128',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
];

function isRange(text: string): boolean {
  return isIP(text.split('/')[0] ?? '') !== 0;
}

function toBlockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return list;
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** The IPv4 address inside an IPv4-mapped or NAT64 one: it is where the packets go. */
function embeddedIpv4(address: string): string | null {
  if (isIP(address) !== 6) return null;
  const canonical = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1);
  const match = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (match === null) return null;
  const [high, low] = [Number.parseInt(match[1] ?? '0', 16), Number.parseInt(match[2] ?? '0', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
